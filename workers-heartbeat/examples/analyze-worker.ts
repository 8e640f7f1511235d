/**
 * Measures the Markdown files of this repository as they change: words, headings, reading time, links that lead nowhere.
 *
 * A way of working to copy: the polling loop. `heartbeat.run` wraps one pass. It reports when the last pass was, how
 * long it took and what it did, and `pollInterval` says how often to expect one: a process that is alive but hangs in
 * a pass, or has left its loop, shows as stuck instead of green.
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

// What an earlier process measured still holds for files that have not changed since.
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
  const at = Date.now(); // before reading: a change that comes in between is seen by the next pass
  const text = await readIfThere(join(source, path));
  if (text !== null) measured.set(path, { path, ...(await measure(source, path, text)), at });
  await pause(0.3, signal); // so that a person can follow on the page; your work takes its own time
}

/** One pass. The jobs in it are counted for the page's "last run"; a pass without jobs of its own returns a number. */
async function measureChanged(): Promise<void> {
  const files = await markdownFiles(source);
  const present = new Set(files.map((file) => file.path));
  for (const path of measured.keys()) if (!present.has(path)) measured.delete(path);

  const changed = files.filter((file) => !(file.changed < (measured.get(file.path)?.at ?? 0)));
  // A link also breaks when only its target goes: so every pass looks again at the file seen longest ago.
  const oldest = [...measured.values()].sort((a, b) => a.at - b.at)[0];
  const paths = new Set([...changed.map((file) => file.path), ...(oldest ? [oldest.path] : [])]);

  for (const path of paths) {
    if (signal.aborted) break; // told to finish up: what is left is still changed after the restart
    await heartbeat.job({ id: path, type: 'measure', status: `Measuring ${path}` }, () => measureFile(path));
  }
  await writeResult('analysis', [...measured.values()]);
}

while (!signal.aborted) {
  // A pass that throws is reported, and turns the worker red until one succeeds. Here is nothing to add to that.
  await heartbeat.run(measureChanged).catch((error) => console.error(inOneLine(error)));
  await pause(POLL_SECONDS, signal);
}
