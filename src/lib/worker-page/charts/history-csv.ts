import type { HistoryPoints, HistoryRange, WorkerHistory } from '../../rules/history-wire.ts';

/** Columns of the file, with their units. */
const HEADINGS: readonly [keyof HistoryPoints, string][] = [
  ['up_s', 'up (s)'],
  ['known_s', 'known (s)'],
  ['jobs', 'jobs'],
  ['errors', 'errors'],
  ['cpu_mean', 'CPU mean (% of one core)'],
  ['cpu_max', 'CPU max (% of one core)'],
  ['memory_mean', 'memory mean (%)'],
  ['memory_max', 'memory max (%)'],
  ['lag_max', 'event loop delay max (ms)'],
];

/**
 * The steps of a history as a table for spreadsheets (RFC 4180). It contains only our own texts, so no cell can be read as a
 * formula. An empty cell means no data.
 */
export function historyCsv({ points, step_s }: WorkerHistory): string {
  const head = ['start (UTC)', 'length (s)', ...HEADINGS.map(([, heading]) => heading)];
  const rows = points.at.map((second, i) => [
    new Date(second * 1000).toISOString(),
    step_s,
    ...HEADINGS.map(([key]) => points[key][i] ?? ''),
  ]);
  return [head, ...rows].map((cells) => `${cells.join(',')}\r\n`).join('');
}

/** A file name that is valid on every system: "crawl-worker-24h.csv". */
export function historyFileName(workerName: string, range: HistoryRange): string {
  const safe = workerName.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[.-]+/, '');
  return `${safe.slice(0, 100) || 'worker'}-${range}.csv`;
}
