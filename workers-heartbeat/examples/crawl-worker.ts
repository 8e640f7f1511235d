/**
 * Crawls the dashboard: fetches a page, follows its links, and notes what is broken: links, and what a page loads.
 *
 * A way of working to copy: the queue. One job after the other through `heartbeat.job`, which counts it, shows what is
 * being done and for how long, and tells failed from done. `metadata` tells the length of the queue, and the log what
 * was found on the way.
 */
import { logs } from '../heartbeat-logs.mjs';
import { startHeartbeat } from '../heartbeat.mjs';
import { Cookies } from './parts/cookies.ts';
import { equip } from './parts/equip.ts';
import { referencesIn, sameSite } from './parts/links.ts';
import { inOneLine } from './parts/one-line.ts';
import { pause } from './parts/pause.ts';
import { writeResult } from './parts/samples.ts';

const start = new URL('/', process.env.DASHBOARD_URL || 'http://127.0.0.1:5173');
const MOST_PAGES = 50; // a round: a site that makes up links as it goes must not hold us for ever

const cookies = new Cookies();
let queue: string[] = [];
let pages = new Set<string>();
let parts = new Set<string>();
let broken: { path: string; status: number }[] = [];

const heartbeat = startHeartbeat({
  name: 'crawl-worker',
  description: 'Web crawling',
  metadata: () => ({ queue: queue.length, pages: pages.size, parts: parts.size, broken: broken.length }),
});
equip(heartbeat);
const log = logs(heartbeat, { captureConsole: true }); // what it prints is in its log on the page, too
const { signal } = heartbeat;

async function get(path: string, method = 'GET', accept = 'text/html'): Promise<Response> {
  const response = await fetch(new URL(path, start), {
    method,
    headers: { ...cookies.headers, accept, 'user-agent': 'crawl-worker (Lastseen sample)' },
    redirect: 'manual', // a redirect is a link like any other: it may lead off the site, or round in a circle
    signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
  });
  cookies.keep(response);
  return response;
}

function enqueue(paths: Iterable<string>): void {
  for (const path of paths) {
    if (pages.has(path) || pages.size >= MOST_PAGES) continue;
    pages.add(path);
    queue.push(path);
  }
}

/** A broken link is what we are looking for: a result of the job, not a failure of it. */
function note(path: string, response: Response): Response {
  if (response.status < 400) return response;
  broken.push({ path, status: response.status });
  log.warn(`${path} answers ${response.status}`);
  return response;
}

async function crawl(path: string): Promise<void> {
  const response = note(path, await get(path));
  const target = sameSite(response.headers.get('location') ?? path, start);
  if (target) enqueue([target]);
  const isPage = response.headers.get('content-type')?.startsWith('text/html');
  if (!isPage) return response.body?.cancel(); // unread bodies hold their connections

  const found = referencesIn(await response.text(), new URL(path, start));
  enqueue(found.links);
  for (const part of found.parts) await check(part);
  log.info(`${path}: ${found.links.size} links, loads ${found.parts.size} parts`);
}

/** Something that pages load has only to be there. It is looked at once a round, as part of the first page that does. */
async function check(part: string): Promise<void> {
  if (parts.has(part)) return;
  parts.add(part);
  const response = await get(part, 'GET', '*/*'); // not HEAD: development servers answer it with 404
  await note(part, response).body?.cancel();
}

while (!signal.aborted) {
  // Before the site is there, or while it restarts, there is nothing to crawl. That is not an error of ours.
  if (!(await get(start.pathname, 'HEAD').catch(() => null))) {
    heartbeat.setStatus(`Waiting for ${start.origin}`);
    await pause(2, signal);
    continue;
  }
  heartbeat.idle(); // no longer waiting; what follows says for itself what it does

  [queue, pages, parts, broken] = [[], new Set(), new Set(), []];
  enqueue([start.pathname]);

  while (queue.length > 0 && !signal.aborted) {
    const path = queue.shift()!;
    const job = { id: path, type: 'crawl', status: `Crawling ${path} (${queue.length} more known)` };
    await heartbeat
      .job(job, () => crawl(path))
      // Counted and shown as this worker's last error; the other pages are still worth a visit.
      .catch((error) => signal.aborted || console.error(`${path}: ${inOneLine(error)}`));
    await pause(2.5, signal); // politeness: a crawler that takes all it can get is an attack
  }

  if (!signal.aborted) {
    log.info(`Round over: ${pages.size} pages, ${parts.size} parts, ${broken.length} broken`);
    await writeResult('crawl', { pages: pages.size, broken, at: Date.now() });
  }
  await pause(8, signal); // idle by itself, as no job runs
}
