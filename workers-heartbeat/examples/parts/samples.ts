/**
 * Where the samples read and write. They exchange results only through these files, so each can be killed, started
 * alone or missing, and the others continue.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

/** The Markdown to work on: this repository, or the folder in `SAMPLES_SOURCE`. Only read, never written. */
export const source = resolve(process.env.SAMPLES_SOURCE || join(import.meta.dirname, '../../..'));

/** The samples write here, and nowhere else. */
export const folder = resolve(process.env.SAMPLES_DIR || join(source, '.lastseen/samples'));

/** The results of each worker for the others: one file each, written by that worker only. */
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

/** The last result of a worker, or `missing` if there is none that can be read. */
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

/** Writes a file under the samples' folder completely or not at all, also if the process is killed. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const target = join(folder, path);
  const draft = `${target}.${process.pid}.tmp`; // with the pid, because a second copy of the worker may run
  await mkdir(dirname(target), { recursive: true });
  await writeFile(draft, text);
  await rename(draft, target);
}
