/**
 * Renders Markdown to HTML: the files of this repository, and the minutes that roundtable-worker writes.
 *
 * Way of working: a pool. Up to three jobs run at once, and the page shows how many are active. The worker finds its
 * work by comparing file times, as `make` does. So there is no queue to lose: after a crash the worker continues.
 */
import { marked, type Token } from 'marked';
import { stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { startHeartbeat } from '../heartbeat.mjs';
import { equip } from './parts/equip.ts';
import { markdownFiles, readIfThere } from './parts/markdown-files.ts';
import { inOneLine } from './parts/one-line.ts';
import { pause } from './parts/pause.ts';
import { folder, source, writeWhole } from './parts/samples.ts';

const AT_ONCE = 3;

let queue: { from: string; to: string; changed: number }[] = [];

const heartbeat = startHeartbeat({
  name: 'content-worker',
  description: 'Content creation',
  metadata: () => ({ queue: queue.length, at_once: AT_ONCE }),
});
equip(heartbeat);
const { signal } = heartbeat;

/** The files whose page is missing or has another date. */
async function findStale(below: string, into: string): Promise<typeof queue> {
  const stale: typeof queue = [];
  for (const { path, changed } of await markdownFiles(below)) {
    const to = join(into, path.replace(/\.md$/, '.html'));
    const page = await stat(join(folder, to)).catch(() => null);
    if (!page || Math.abs(page.mtimeMs - changed) > 1) stale.push({ from: join(below, path), to, changed });
  }
  return stale;
}

async function render({ from, to, changed }: (typeof queue)[number]): Promise<void> {
  const text = await readIfThere(from);
  if (text === null) return;
  const body = await marked.parse(text, { walkTokens: linkToPage });
  await writeWhole(to, `<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n${body}</html>\n`);
  // The page gets the date of the text, so text that is saved during the rendering counts as newer.
  await utimes(join(folder, to), changed / 1000, changed / 1000);
  await pause(0.7, signal); // slow enough to follow on the page; your worker needs no pause
}

/** Links between texts become links between their pages. */
function linkToPage(token: Token): void {
  if (token.type === 'link' && !URL.canParse(token.href))
    token.href = token.href.replace(/\.md(?=#|$)/, '.html');
}

/** One of the pool: takes the next file until none is left or the worker stops. */
async function lane(): Promise<void> {
  while (queue.length > 0 && !signal.aborted) {
    const file = queue.shift()!;
    const job = { id: file.to, type: 'render', status: `Rendering ${file.to}` };
    await heartbeat
      .job(job, () => render(file))
      .catch((error) => console.error(`${file.from}: ${inOneLine(error)}`));
  }
}

while (!signal.aborted) {
  queue = [
    ...(await findStale(source, 'html/repository')),
    ...(await findStale(join(folder, 'minutes'), 'html/minutes')),
  ];
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  await pause(3, signal);
}
