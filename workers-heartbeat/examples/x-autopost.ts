/**
 * Posts short texts, made from the pages that content-worker renders, to a service that limits and sometimes refuses.
 *
 * A way of working to copy: the caller of somebody else's API. It waits as long as it is told to (429, Retry-After),
 * tries again what may go better a moment later (5xx), and gives up at once what never will (4xx). Jobs that fail
 * one after the other open the circuit breaker: then it leaves the service alone until the breaker lets one through.
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
const REMEMBERED = 500; // posts, so as not to post a text twice

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
const log = logs(heartbeat, { captureConsole: true }); // its errors are in its log on the page, too
const { signal } = heartbeat;

/** What there is to post and has not been tried yet. */
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

/** Posts one text. Throws when the service will not have it, or has failed too often: then the text stays for later. */
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
      log.debug(`Posted “${shorten(text, 80)}”`); // shown once an operator sets the level to debug
      return remember(text, 'posted');
    }

    let seconds: number;
    if (response.status === 429) {
      limited++;
      seconds = Number(response.headers.get('retry-after')) || 30;
      heartbeat.setStatus(`Rate limited, goes on in ${seconds} s`);
      log.warn(`Rate limited for ${seconds} s`);
    } else if (response.status < 500) {
      await remember(text, 'refused'); // trying again would not change their mind
      throw new Error(`refused: ${message}`);
    } else if (++failed === ATTEMPTS) {
      throw new Error(`HTTP ${response.status}, ${failed} times: ${message}`);
    } else {
      seconds = 2 ** failed * (0.25 + Math.random() / 4); // jitter: or all who failed together come back together
    }
    await pause(seconds, signal);
    signal.throwIfAborted(); // told to finish up: neither done nor failed, and the text still waits after a restart
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
    // Too many have failed in a row. The page says so, and the next one is let through at `retryAt`.
    if (error instanceof CircuitOpenError) rest = Math.max(1, (error.retryAt.getTime() - Date.now()) / 1000);
    else if (!signal.aborted) console.error(inOneLine(error));
  }
  await pause(rest, signal);
}
