/**
 * Crawls the dashboard: fetches a page, follows its links, and notes the ones that are broken.
 *
 * A way of working to copy: the queue. One job after the other through `heartbeat.job`, which counts it, shows what is
 * being done and for how long, and tells failed from done. `metadata` tells the length of the queue.
 */
import { startHeartbeat } from '../heartbeat.mjs';
import { Cookies } from './parts/cookies.ts';
import { linksOf, sameSite } from './parts/links.ts';
import { pause } from './parts/pause.ts';
import { writeResult } from './parts/samples.ts';

const start = new URL('/', process.env.DASHBOARD_URL || 'http://127.0.0.1:5173');
const MOST_PAGES = 50; // a round: a site that makes up links as it goes must not hold us for ever

const cookies = new Cookies();
let queue: string[] = [];
let seen = new Set<string>();
let broken: { path: string; status: number }[] = [];

const heartbeat = startHeartbeat({
  name: 'crawl-worker',
  description: 'Web crawling',
  metadata: () => ({ queue: queue.length, seen: seen.size, broken: broken.length }),
});
const { signal } = heartbeat;

async function fetchPage(path: string, method = 'GET'): Promise<Response> {
  const response = await fetch(new URL(path, start), {
    method,
    headers: { ...cookies.headers, accept: 'text/html', 'user-agent': 'crawl-worker (Lastseen sample)' },
    redirect: 'manual', // a redirect is a link like any other: it may lead off the site, or round in a circle
    signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
  });
  cookies.keep(response);
  return response;
}

function enqueue(paths: Iterable<string>): void {
  for (const path of paths) {
    if (seen.has(path) || seen.size >= MOST_PAGES) continue;
    seen.add(path);
    queue.push(path);
  }
}

async function crawl(path: string): Promise<void> {
  const response = await fetchPage(path);
  // A broken link is what we are looking for: a result of the job, not a failure of it.
  if (response.status >= 400) broken.push({ path, status: response.status });

  const target = sameSite(response.headers.get('location') ?? path, start);
  if (target) enqueue([target]);
  const isPage = response.headers.get('content-type')?.startsWith('text/html');
  if (isPage) enqueue(linksOf(await response.text(), new URL(path, start)));
  else await response.body?.cancel(); // unread bodies hold their connections
}

while (!signal.aborted) {
  // Before the site is there, or while it restarts, there is nothing to crawl. That is not an error of ours.
  if (!(await fetchPage(start.pathname, 'HEAD').catch(() => null))) {
    heartbeat.setStatus(`Waiting for ${start.origin}`);
    await pause(2, signal);
    continue;
  }
  heartbeat.idle(); // no longer waiting; what follows says for itself what it does

  [queue, seen, broken] = [[], new Set(), []];
  enqueue([start.pathname]);

  while (queue.length > 0 && !signal.aborted) {
    const path = queue.shift()!;
    const job = { id: path, type: 'crawl', status: `Crawling ${path} (${queue.length} more known)` };
    await heartbeat
      .job(job, () => crawl(path))
      // Counted and shown as this worker's last error; the other pages are still worth a visit.
      .catch((error) => signal.aborted || console.error(`${path}: ${error.cause ?? error}`));
    await pause(2.5, signal); // politeness: a crawler that takes all it can get is an attack
  }

  if (!signal.aborted) await writeResult('crawl', { pages: seen.size, broken, at: Date.now() });
  await pause(15, signal); // idle by itself, as no job runs
}
