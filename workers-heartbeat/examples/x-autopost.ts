/**
 * Posts short texts from the pages of content-worker to a service that limits and sometimes rejects posts.
 *
 * Way of working: a client of somebody else's API. After 429 it waits as long as Retry-After demands, after 5xx it tries
 * again, and after other 4xx it gives up at once. Several failed jobs in a row open the circuit breaker: the worker then
 * sends nothing until the breaker allows the next try.
 */
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { circuitBreaker, CircuitOpenError } from '../heartbeat-breaker.mjs';
import { logs } from '../heartbeat-logs.mjs';
import { startHeartbeat } from '../heartbeat.mjs';
import { equip } from './parts/equip.ts';
import { excerptsOf, shorten } from './parts/excerpts.ts';
import { inOneLine } from './parts/one-line.ts';
import { pause } from './parts/pause.ts';
import { startPostSink } from './parts/post-sink.ts';
import { folder, readResult, writeResult } from './parts/samples.ts';

const ATTEMPTS = 4;
const REMEMBERED = 500; // posts, so that no text is posted twice

const sink = await startPostSink();
let posts = await readResult('posts', []);
let waiting = 0;
let limited = 0;

const heartbeat = startHeartbeat({
  name: 'x-autopost',
  description: 'Tweet publishing',
  metadata: () => ({
    waiting,
    rate_limited: limited,
    refused: posts.filter((post) => post.outcome === 'refused').length,
  }),
});
equip(heartbeat);
circuitBreaker(heartbeat, { threshold: 3, cooldown: 10 });
const log = logs(heartbeat, { captureConsole: true }); // the page's log also shows its errors
const { signal } = heartbeat;

/** Texts that were not tried yet. */
async function unposted(): Promise<string[]> {
  const done = new Set(posts.map((post) => post.text));
  const texts: string[] = [];
  for await (const page of glob('html/**/*.html', { cwd: folder })) {
    texts.push(...excerptsOf(await readFile(join(folder, page), 'utf8'), 280));
  }
  return texts.filter((text) => !done.has(text));
}

async function remember(text: string, outcome: 'posted' | 'refused'): Promise<void> {
  posts = [...posts, { text, outcome, at: Date.now() }].slice(-REMEMBERED);
  await writeResult('posts', posts);
}

/** Posts one text. Throws if the service rejects it, or has failed too often; then the text is tried again later. */
async function post(text: string): Promise<void> {
  let failed = 0;
  for (;;) {
    heartbeat.setStatus(`Posting “${shorten(text, 80)}”`);
    const response = await fetch(sink, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text }),
      signal: AbortSignal.timeout(10_000),
    });
    const { message } = await response.json();
    if (response.ok) {
      log.debug(`Posted “${shorten(text, 80)}”`); // sent only after an operator sets the log level to debug
      return remember(text, 'posted');
    }

    let seconds: number;
    if (response.status === 429) {
      limited++;
      seconds = Number(response.headers.get('retry-after')) || 30;
      heartbeat.setStatus(`Rate limited, next try in ${seconds} s`);
      log.warn(`Rate limited for ${seconds} s`);
    } else if (response.status < 500) {
      await remember(text, 'refused'); // another try would fail, too
      throw new Error(`refused: ${message}`);
    } else if (++failed === ATTEMPTS) {
      throw new Error(`HTTP ${response.status}, ${failed} times: ${message}`);
    } else {
      seconds = 2 ** failed * (0.25 + Math.random() / 4); // jitter: otherwise all failed clients try again at the same time
    }
    await pause(seconds, signal);
    signal.throwIfAborted(); // stopping: neither done nor failed; the next process posts the text
  }
}

while (!signal.aborted) {
  const texts = await unposted();
  waiting = texts.length;
  let rest = 4;
  try {
    const [text] = texts;
    if (text) await heartbeat.job({ type: 'post' }, () => post(text));
  } catch (error) {
    // Too many jobs failed in a row. The page shows the open breaker; the next try is at `retryAt`.
    if (error instanceof CircuitOpenError) rest = Math.max(1, (error.retryAt.getTime() - Date.now()) / 1000);
    else if (!signal.aborted) console.error(inOneLine(error));
  }
  await pause(rest, signal);
}
