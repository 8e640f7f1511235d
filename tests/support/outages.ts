/** A generator of numbers in [0, 1) that a seed repeats (mulberry32). */
export function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface SimulatedWorker {
  name: string;
  /** Seconds between its beats. */
  interval: number;
  /** When the server heard it, in seconds, in order. */
  heard: number[];
  /** When it died, or Infinity. */
  dies: number;
}

export interface Outage {
  seed: number;
  kind: 'supabase down' | 'network cut' | 'tick stopped';
  from: number;
  to: number;
  tickEvery: number;
  workers: SimulatedWorker[];
  /** When the tick runs, in seconds, in order. */
  ticks: number[];
  end: number;
}

const FLEETS = [[1], [2], [5], [10], [15], [30], [5, 30], [10, 25], [2, 5, 10], [10, 15, 30]];
/** A request that gets no answer is given up after so long, at most (the heartbeat module's limit). */
const HANGS_S = 10;
/** When TCP sends again what was not acknowledged. */
const RESENT_S = [1, 3, 7];

/**
 * One fleet, one outage of ours, and perhaps a worker that really dies: before, during or after it. Workers beat as the
 * heartbeat module does: every 0.9 to 1.0 of their interval, after failures sooner or later than that.
 */
export function outage(seed: number): Outage {
  const next = random(seed * 7919);
  const among = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!;
  const kind = among(['supabase down', 'network cut', 'network cut', 'tick stopped'] as const);
  const intervals = among(FLEETS);
  const [shortest, longest] = [Math.min(...intervals), Math.max(...intervals)];
  const tickEvery = among(longest <= 5 ? [1, 5] : [5, 5, 60]);
  const size = Math.round(3 * (200 / 3) ** next());
  const fleet = Array.from({ length: size }, () => among(intervals));
  // The known limit: if hardly any worker should have reported within a lease, no check is possible.
  while (expected(fleet, 4 * shortest) < 3) fleet.push(shortest);
  while (fleet.filter((interval) => interval === longest).length < 3) fleet.push(longest);

  const from = 1.5 * longest + next() * tickEvery;
  // Most of them about as long as a lease, where it matters; some longer than all that is forgiven.
  const to = from + among(intervals) * (next() < 0.8 ? 1 + 7 * next() : 20 * next());
  const end = to + 8 * longest + 6 * tickEvery + 30;
  // A cut need not reach everybody: those that are still heard are less than half.
  const reach = kind === 'network cut' && intervals.length === 1 && size >= 8 ? 0.6 + 0.4 * next() : 1;
  const hangs = next() < 0.5;
  const dying = new Set(next() < 0.6 ? [among([...fleet.keys()])] : []);

  const workers = fleet.map((interval, index) => {
    const dies = dying.has(index)
      ? Math.max(0.1, from - 2 * interval + next() * (end - 6 * longest - from))
      : Infinity;
    const cut = kind !== 'tick stopped' && index < Math.ceil(reach * fleet.length);
    const heard = [];
    let failures = 0;
    let patience = 0;
    for (let at = -interval * next(); at < Math.min(end, dies);) {
      const limit = Math.min(HANGS_S, Math.max(2, patience, interval));
      // What was sent into the dark is sent again, and arrives if the network is back before the request is given up.
      const again =
        !cut || at < from || at >= to ? 0 : hangs ? RESENT_S.find((s) => at + s >= to) : undefined;
      const arrives = again !== undefined && again < limit;
      const tomorrow = at + interval * (0.9 + next() / 10);
      if (arrives) {
        heard.push(at + again);
        failures = 0;
        patience = 2 * again;
        at = Math.max(at + again, tomorrow);
      } else {
        failures += 1;
        patience = 2 * limit;
        const wait = Math.min(interval, 0.5 * 2 ** failures) * (0.5 + next() / 2);
        at = Math.max(at + (hangs ? limit : 0) + wait, tomorrow);
      }
    }
    return { name: `worker-${index}`, interval, heard, dies };
  });

  const stopped = kind === 'network cut' ? 0 : 1;
  const ticks = [];
  for (let at = next() * tickEvery; at < end; at += tickEvery * (0.98 + next() / 25)) {
    if (!(stopped && at >= from && at < to)) ticks.push(at);
  }
  return { seed, kind, from, to, tickEvery, workers, ticks, end };
}

/** How many of these intervals should have made a beat within a window. */
function expected(intervals: readonly number[], window: number): number {
  return intervals.reduce((sum, interval) => sum + Math.min(1, window / interval), 0);
}

/**
 * Which ticks need to be run: while nobody has been silent for three intervals, they change nothing. The first of a calm
 * still does.
 */
export function worthRunning({ workers, ticks }: Outage): boolean[] {
  const cursors = workers.map(() => 0);
  const uneasy = ticks.map(
    (tick) =>
      workers.filter(({ heard, interval }, index) => {
        while (heard[cursors[index]! + 1]! <= tick) cursors[index]! += 1;
        return tick - heard[cursors[index]!]! > 3 * interval;
      }).length > 0,
  );
  return uneasy.map((is, place) => is || (uneasy[place - 1] ?? true));
}
