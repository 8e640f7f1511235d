/**
 * Where the samples read and where they write. They know one another only through the files here, so each can be
 * killed, started alone, or be missing altogether, and the others go on with what there is.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

/** The Markdown to work on: this repository, or the folder in `SAMPLES_SOURCE`. Only read, never written. */
export const source = resolve(process.env.SAMPLES_SOURCE || join(import.meta.dirname, '../../..'));

/** All that the samples ever write lies in here. */
export const folder = resolve(process.env.SAMPLES_DIR || join(source, '.lastseen/samples'));

/** What one worker leaves for the others: a file of its own, written by nobody else. */
export interface Results {
  analysis: {
    path: string;
    words: number;
    headings: number;
    minutes: number;
    broken: string[];
    at: number;
  }[];
  crawl: { pages: number; broken: { path: string; status: number }[]; at: number };
  posts: { text: string; outcome: 'posted' | 'refused'; at: number }[];
  session: { number: number; turns: { speaker: string; text: string }[] };
}

/** The last result of a worker, or `missing` when it has left none (or none that can be read). */
export async function readResult<Name extends keyof Results>(name: Name, missing: Results[Name]) {
  try {
    return JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8')) as Results[Name];
  } catch {
    return missing;
  }
}

export function writeResult<Name extends keyof Results>(name: Name, result: Results[Name]): Promise<void> {
  return writeWhole(`${name}.json`, `${JSON.stringify(result, null, 2)}\n`);
}

/** Writes a file under the samples' folder whole or not at all: a reader, or a kill -9, never meets half of one. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const target = join(folder, path);
  const draft = `${target}.${process.pid}.tmp`; // with the pid, as somebody may start a second copy of a worker
  await mkdir(dirname(target), { recursive: true });
  await writeFile(draft, text);
  await rename(draft, target);
}
