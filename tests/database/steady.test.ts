import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

const rarely = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 24, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const often = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 9 });

/** What a beat may say; few values each, so that the next one often says the same. */
const fields = fc.record({
  status: fc.constantFrom('idle', 'idle', 'processing', 'processing', 'error', 'stopped'),
  status_reason: rarely(fc.constant('SIGTERM')),
  heartbeat_interval_s: fc.constantFrom(30, 30, 30, 60),
  requested_interval_s: rarely(fc.constant(30)),
  kind: rarely(fc.constantFrom('resident', 'scheduled')),
  version: rarely(fc.constantFrom('1', '2')),
  parts: rarely(fc.constantFrom(['logs'], ['logs', 'guard'])),
  jobs_total: often(fc.integer({ min: 0, max: 50 })),
  errors_total: often(fc.integer({ min: 0, max: 5 })),
  jobs_active: often(fc.integer({ min: 0, max: 2 })),
  current_status: rarely(fc.constantFrom('a', 'b')),
  current_job_id: rarely(fc.constant('1')),
  status_age_ms: often(fc.constant(1000)),
  poll_interval_s: rarely(fc.constantFrom(10, 20)),
  last_run_age_ms: rarely(fc.constantFrom(0, 5000)),
  last_run_errors: rarely(fc.constantFrom(0, 1)),
  processed_count: rarely(fc.constantFrom(0, 9)),
  next_run_in_ms: rarely(fc.constant(60_000)),
  last_error: rarely(fc.constantFrom('boom', 'bang')),
  last_error_age_ms: rarely(fc.constantFrom(0, 1000, 60_000)),
  draining: rarely(fc.boolean()),
  circuit_breaker_state: often(fc.constantFrom('closed', 'closed', 'closed', 'closed', 'open', 'half_open')),
  circuit_breaker_failures: often(fc.constantFrom(0, 0, 0, 1)),
  circuit_breaker_threshold: often(fc.constant(10)),
  circuit_breaker_reason: rarely(fc.constant('timeouts')),
  cpu_percent: often(fc.constantFrom(0, 1.5, 1.5, 79.9, 80, 80.1)),
  memory_percent: often(fc.constantFrom(0, 50, 50, 50, 81)),
  memory_rss_bytes: often(fc.constantFrom(1, 2)),
  event_loop_lag_ms: often(fc.constantFrom(0, 1)),
  event_loop_blocked_ms: often(fc.constantFrom(0, 0, 1000, 1001)),
  sent_at_ms: often(fc.constant(Date.UTC(2026, 0, 5))),
  metadata: rarely(fc.constantFrom({ queue: 1 }, { queue: 2 })),
  leases: rarely(fc.constant([1])),
  logs_dropped: rarely(fc.constant(0)),
});

/** The next beat says mostly what the last one did. */
const cases = fc.record({
  first: fields,
  changes: fields,
  changed: fc.subarray(Object.keys(fc.sample(fields, 1)[0]!), { maxLength: 3 }),
  pace: fc.record({
    stretch: fc.constantFrom(1, 1, 1, 2),
    groupInterval: fc.constantFrom(undefined, undefined, 15, 30),
    override: rarely(fc.constantFrom(20, 60)),
  }),
});

const at = new Date(Date.UTC(2026, 0, 5));
const ROLLBACK = new Error('rolled back');

describe('a beat that says nothing new', () => {
  it('makes by the narrow update the row that the update of all columns makes', async () => {
    let narrow = 0;
    let paced = 0;
    const same = fc.asyncProperty(cases, async ({ first, changes, changed, pace }) => {
      const id = { worker_name: `steady-${randomUUID()}`, instance_id: randomUUID() };
      const repeated = Object.fromEntries(
        Object.entries({ ...first, requested_interval_s: undefined }).map(([field, value]) => [
          field,
          changed.includes(field) ? changes[field as keyof typeof changes] : value,
        ]),
      );
      const run = db.sql.begin(async (sql) => {
        const heartbeat = (beat: object, time: Date) =>
          sql`select hp_private.heartbeat(${JSON.stringify([beat])}::text::jsonb, ${time})`;
        await heartbeat({ ...id, sequence: 1, ...first }, at);
        await heartbeat({ ...id, sequence: 2, epoch: 1, ...first, requested_interval_s: undefined }, at);
        await sql`
          update hp_worker_status set worker_type = 'paced', interval_override_s = ${pace.override ?? null}
          where worker_name = ${id.worker_name}`;
        const groups = pace.groupInterval ? `'{"paced": ${pace.groupInterval}}'` : 'null';
        const time = new Date(at.getTime() + 500);
        const beat = JSON.stringify({ ...id, sequence: 3, ...repeated });
        const by = (way: string) =>
          sql
            .savepoint(async (inner) => {
              const [answered] = await inner.unsafe(
                `select ${way} as answer from jsonb_populate_record(null::hp_private.beat, $1::text::jsonb) b`,
                [beat, time],
              );
              const [row] =
                await inner`select to_jsonb(w) as row from hp_worker_status w where worker_name = ${id.worker_name}`;
              throw Object.assign(new Error('undone'), {
                made: { answer: answered?.answer as unknown, ...row },
              });
            })
            .catch((error: { made: { answer: unknown; row: Record<string, unknown> } }) => error.made);
        const ours = await by(
          `(hp_private.apply_steady(array[b], null, $2::timestamptz, ${pace.stretch}, ${groups}, null))[1]`,
        );
        if (ours.answer) {
          narrow++;
          if (pace.stretch > 1 || pace.groupInterval || pace.override) paced++;
          const whole = await by(
            `(hp_private.apply_beats(array[b], $2::timestamptz, ${pace.stretch}, ${groups})).answer`,
          );
          // A time that is stated as an age wobbles, and is left as it was.
          const error = [ours, whole].map(({ row }) => Date.parse(String(row.last_error_at)));
          if (ours.row.last_error_at) expect(Math.abs(error[0]! - error[1]!)).toBeLessThanOrEqual(2000);
          ours.row.last_error_at = whole.row.last_error_at;
          expect(ours).toEqual(whole);
        }
        throw ROLLBACK;
      });
      await expect(run).rejects.toBe(ROLLBACK);
    });
    await fc.assert(same, { numRuns: 500 });
    expect(narrow).toBeGreaterThan(30);
    expect(paced).toBeGreaterThan(10);
  });
});
