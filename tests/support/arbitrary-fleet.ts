import fc from 'fast-check';
import type { WorkerRow } from '../../src/lib/rules/worker.ts';

/** A row as PostgreSQL takes it, judged at a time, as {@link caseOf} makes it up. */
export interface Case {
  worker: Record<string, unknown>;
  at: string;
  watching_since: string;
  impaired_since: string | null;
  group_paused_until: string | null;
  group_paused_reason: string | null;
}

const STATUSES: readonly WorkerRow['status'][] = [
  'unknown',
  'starting',
  'idle',
  'processing',
  'running',
  'error',
  'stopping',
  'stopped',
  'crashed',
];
const MINUTE = 60_000;
const DAY = 86_400_000;
const AT = Date.parse('2026-11-22T12:00:00.000Z');

/** Null in `none` of `some + none` cases. */
function maybe<T>(value: fc.Arbitrary<T>, some = 2, none = 1): fc.Arbitrary<T | null> {
  return fc.oneof({ weight: some, arbitrary: value }, { weight: none, arbitrary: fc.constant(null) });
}
const words = fc.oneof(
  fc.constantFrom(
    '',
    'SIGTERM',
    'SIGKILL',
    'SIGTERM by hand',
    'exit code 0',
    'exit code 137',
    'exit code -1',
  ),
  fc.string({ maxLength: 12 }).map((text) => text.replaceAll('\0', '')),
);

/** Milliseconds that matter to somebody, to the millisecond before and after. */
function spans(...edges: number[]): fc.Arbitrary<number> {
  const edge = fc.constantFrom(0, 999, 1000, MINUTE, 2 * MINUTE, 60 * MINUTE, DAY, 2 * DAY, ...edges);
  const near = fc.tuple(edge, fc.constantFrom(0, 0, -1, 1)).map(([ms, off]) => ms + off);
  return fc.oneof(
    { weight: 6, arbitrary: near },
    { weight: 2, arbitrary: fc.integer({ min: -MINUTE, max: DAY }) },
  );
}

/** An instant so many milliseconds before `at`, with microseconds, which a browser does not see. */
function instant(ms: number, micros: number): string {
  const whole = Math.round(AT - ms);
  return new Date(whole).toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`);
}

const CALM = {
  status: 'idle',
  expected: true,
  paused_until: null,
  started_at: null,
  last_heartbeat: instant(1, 0),
  last_run_errors: null,
  circuit_breaker_open: false,
  circuit_breaker_state: 'closed',
  lease_expires_at: instant(-MINUTE, 0),
};

/** Rows and times with a bias to the edges: exact multiples of the intervals, nulls, pauses for ever, an impaired watch. */
export const caseOf: fc.Arbitrary<Case> = fc
  .record({
    interval: fc.constantFrom(1, 10, 30, 90, 0.1 + 0.2 + 1, 3600),
    multiples: fc.constantFrom([2, 5], [2, 5], [1, 9.5], [9.5, 20]),
    poll: maybe(fc.constantFrom(0.5, 1, 10, 90, 120, 2700, 5400, 86_400, 1.2345), 1),
    grace: fc.constantFrom(0, 30, 300, 86_400),
    maxRun: fc.constantFrom(1, 90, 3600, 5400, 172_800),
  })
  .chain(({ interval, multiples, poll, grace, maxRun }) => {
    const [late, lost] = multiples as [number, number];
    const edges = [late * interval, lost * interval, (poll ?? 1) * 2, (poll ?? 1) * 5, grace, maxRun].map(
      (s) => s * 1000,
    );
    const micros = fc.constantFrom(0, 0, 1, 500, 999);
    const past = fc.tuple(spans(...edges), micros).map(([ms, us]) => instant(ms, us));
    const some = (freq?: number) => maybe(past, freq);
    const pause = maybe(fc.oneof(past, fc.constantFrom('infinity', '-infinity')), 1, 4);
    const wild = fc.record({
      worker: fc.record({
        worker_name: fc.constant('someone'),
        worker_id: fc.constant(1),
        worker_type: fc.constantFrom(null, 'crawl'),
        kind: fc.constantFrom('resident', 'scheduled'),
        expected: fc.boolean(),
        paused_until: pause,
        paused_reason: maybe(words),
        started_at: some(),
        status: fc.constantFrom(...STATUSES),
        status_since: past,
        status_reason: maybe(words),
        last_heartbeat: some(12),
        last_exit: maybe(fc.constant({ code: 1 })),
        heartbeat_interval_s: fc.constant(interval),
        late_after_intervals: fc.constant(late),
        lost_after_intervals: fc.constant(lost),
        lease_expires_at: some(6),
        revision: fc.constant(1),
        jobs_active: fc.constant(0),
        draining: fc.constantFrom(false, false, false, true),
        poll_interval_s: fc.constant(poll),
        last_run_at: some(),
        last_run_errors: fc.constantFrom(null, null, 0, 0, 0, 1, 2),
        next_run_at: maybe(
          fc.oneof({ weight: 9, arbitrary: past }, fc.constantFrom('infinity', '-infinity')),
          6,
        ),
        grace_s: fc.constant(grace),
        max_run_s: fc.constant(maxRun),
        circuit_breaker_open: fc.constantFrom(false, false, false, false, true),
        circuit_breaker_state: fc.constantFrom('closed', 'closed', 'closed', 'closed', 'half_open', 'open'),
        circuit_breaker_failures: fc.constantFrom(0, 1, 10),
        circuit_breaker_threshold: fc.constant(10),
        circuit_breaker_reason: maybe(words, 1),
        event_loop_blocked_ms: fc.constantFrom(null, 0, 1000, 1001, 8999, 125_000),
        jobs_processed: fc.constant(0),
        error_count: fc.constant(0),
      }),
      at: micros.map((us) => instant(0, us)),
      watching_since: fc.oneof(fc.constant(instant(3 * DAY, 0)), past),
      impaired_since: maybe(past, 1, 3),
      group_paused_until: pause,
      group_paused_reason: maybe(words),
    });
    // Left to chance alone every row would be in trouble of the first kinds; calmed down in part it gets further.
    return fc.tuple(wild, fc.subarray(Object.keys(CALM) as (keyof typeof CALM)[])).map(([one, calmed]) => ({
      ...one,
      worker: { ...one.worker, ...Object.fromEntries(calmed.map((key) => [key, CALM[key]])) },
      ...(calmed.length > 5 && { group_paused_until: null, impaired_since: null }),
    }));
  });
