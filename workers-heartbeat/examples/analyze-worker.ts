/**
 * Measures the Markdown files of this repository as they change: words, headings, reading time, broken links.
 *
 * Way of working: a polling loop. `heartbeat.run` wraps one pass, and reports when the last pass was, how long it took
 * and how much it did. `pollInterval` sets how often a pass is expected: if the process hangs in a pass, or has left its
 * loop, the page shows it as stuck.
 */
import { join } from 'node:path';
import { startHeartbeat } from '../heartbeat.mjs';
import { equip } from './parts/equip.ts';
import { markdownFiles, readIfThere } from './parts/markdown-files.ts';
import { measure } from './parts/measure.ts';
import { inOneLine } from './parts/one-line.ts';
import { pause } from './parts/pause.ts';
import { readResult, source, writeResult } from './parts/samples.ts';

const POLL_SECONDS = 5;

// Results of an earlier process are still valid for files that have not changed since.
const measured = new Map((await readResult('analysis', [])).map((file) => [file.path, file]));

const heartbeat = startHeartbeat({
  name: 'analyze-worker',
  description: 'Analysis tasks',
  pollInterval: POLL_SECONDS,
  metadata: () => ({
    files: measured.size,
    words: [...measured.values()].reduce((sum, file) => sum + file.words, 0),
    broken_links: [...measured.values()].reduce((sum, file) => sum + file.broken.length, 0),
  }),
});
equip(heartbeat);
const { signal } = heartbeat;

async function measureFile(path: string): Promise<void> {
  const at = Date.now(); // before reading: the next pass then finds a change made in between
  const text = await readIfThere(join(source, path));
  if (text !== null) measured.set(path, { path, ...(await measure(source, path, text)), at });
  await pause(0.3, signal); // slow enough to follow on the page; your worker needs no pause
}

/** One pass. The page's "last run" counts its jobs; a pass without jobs returns a number instead. */
async function measureChanged(): Promise<void> {
  const files = await markdownFiles(source);
  const present = new Set(files.map((file) => file.path));
  for (const path of measured.keys()) if (!present.has(path)) measured.delete(path);

  const changed = files.filter((file) => !(file.changed < (measured.get(file.path)?.at ?? 0)));
  // A link also breaks when its target is removed, so every pass measures the oldest result again.
  const oldest = [...measured.values()].sort((a, b) => a.at - b.at)[0];
  const paths = new Set([...changed.map((file) => file.path), ...(oldest ? [oldest.path] : [])]);

  for (const path of paths) {
    if (signal.aborted) break; // stopping: the next process finds the remaining files
    await heartbeat.job({ id: path, type: 'measure', status: `Measuring ${path}` }, () => measureFile(path));
  }
  await writeResult('analysis', [...measured.values()]);
}

while (!signal.aborted) {
  // `run` reports a pass that throws, and the worker is red until one succeeds.
  await heartbeat.run(measureChanged).catch((error) => console.error(inOneLine(error)));
  await pause(POLL_SECONDS, signal);
}
