import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { beat, Process, type Answer } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
const names = ['fuzz/a', 'fuzz/b', 'fuzz/c'];
const processes = new Map<string, Process>();
beforeAll(async () => {
  db = await createDatabase();
  for (const name of names) {
    const process = new Process(db.sql, name);
    await process.send({ jobs_total: 3 });
    processes.set(name, process);
  }
});
afterAll(() => db.drop());

const fields = [
  ...['worker_name', 'instance_id', 'sequence', 'status', 'epoch', 'status_reason', 'heartbeat_interval_s'],
  ...[
    'uptime_ms',
    'sent_at_ms',
    'worker_type',
    'description',
    'version',
    'kind',
    'hostname',
    'pid',
    'runtime',
    'parts',
  ],
  ...['jobs_total', 'errors_total', 'counted_jobs', 'counted_errors', 'jobs_active', 'current_status'],
  ...['current_job_id', 'current_job_type', 'status_age_ms', 'poll_interval_s', 'last_run_age_ms'],
  ...[
    'last_run_duration_ms',
    'processed_count',
    'last_run_errors',
    'next_run_in_ms',
    'schedule',
    'last_error',
  ],
  ...['last_error_age_ms', 'circuit_breaker_state', 'circuit_breaker_failures', 'circuit_breaker_threshold'],
  ...[
    'circuit_breaker_opened_age_ms',
    'circuit_breaker_retry_in_ms',
    'circuit_breaker_reason',
    'cpu_percent',
  ],
  ...[
    'memory_percent',
    'memory_rss_bytes',
    'event_loop_lag_ms',
    'event_loop_blocked_ms',
    'metadata',
    'last_exit',
  ],
  ...['draining', 'commands', 'logs', 'logs_dropped'],
  ...['no_such_field', 'revision', 'lease_expires_at', '__proto__x', ''],
];

/** JSON as a hostile or broken worker would send it: the edges of numbers and texts, other types, nesting. */
const value = fc.oneof(
  fc.constantFrom(null, true, false, 0, -0, 1, -1, 0.5, 1e15, 1e16, 2 ** 31, 2 ** 53, 1e300, -1e300, 5e-324),
  fc.constantFrom(
    '',
    ' ',
    'idle',
    'stopped',
    'active',
    'unknown',
    'open',
    '12',
    '-1',
    'NaN',
    'Infinity',
    '1e400',
  ),
  fc.constantFrom(
    "'; drop table hp_worker_status; --",
    '<script>',
    '\u202e',
    '\ud83d\ude00',
    '{"a":1}',
    '{1,2}',
    '(1,2)',
  ),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ unit: 'grapheme', maxLength: 600 }).filter((text) => !text.includes('\0')),
  fc.uuid(),
  fc.array(fc.integer(), { maxLength: 3 }),
  fc.dictionary(
    fc.string({ maxLength: 5 }).filter((key) => !key.includes('\0')),
    fc.integer(),
    { maxKeys: 3 },
  ),
);

/** A sound beat of a known worker with a few of its fields replaced; or anything at all. */
const candidate = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      name: fc.constantFrom(...names, 'fuzz/new'),
      changes: fc.array(fc.tuple(fc.constantFrom(...fields), value), { maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: value.map((anything) => ({ anything })) },
);

const rows = async () => {
  const all = await db.sql`select worker_name, md5(w::text) as sum from hp_worker_status w`;
  return new Map(all.map((row) => [row.worker_name as string, row.sum as string]));
};

it('whatever a request holds, it is answered beat by beat, and only workers of accepted beats change', async () => {
  const seen = { accepted: 0, refused: 0 };
  const property = fc.asyncProperty(
    fc.array(candidate, { minLength: 1, maxLength: 5 }),
    async (candidates) => {
      const beats = candidates.map((made) => {
        if ('anything' in made) return made.anything;
        const process = processes.get(made.name) ?? new Process(db.sql, made.name);
        return { ...process.next(), ...Object.fromEntries(made.changes) };
      });
      const before = await rows();
      const answers = await beat(db.sql, beats);
      expect(answers).toHaveLength(beats.length);

      const accepted = new Set<string>();
      for (const answer of answers as Answer[]) {
        if (answer.ok) accepted.add(answer.worker_name);
        else
          expect(answer.error).toEqual({
            field: expect.any(String),
            message: expect.stringMatching(/.+ .+/),
          });
        seen[answer.ok ? 'accepted' : 'refused'] += 1;
      }
      for (const [name, sum] of await rows()) {
        if (!accepted.has(name)) expect(sum, `${name} changed`).toBe(before.get(name));
      }
    },
  );
  await fc.assert(property, { numRuns: 1500 });
  expect(seen.accepted).toBeGreaterThan(500);
  expect(seen.refused).toBeGreaterThan(500);
}, 60_000);

it('refuses a body that is not an array of beats without touching anything', async () => {
  const before = await rows();
  await fc.assert(
    fc.asyncProperty(
      value.filter((body) => !Array.isArray(body) || body.length === 0),
      async (body) => {
        await expect(beat(db.sql, body)).rejects.toMatchObject({ code: 'PT400' });
      },
    ),
    { numRuns: 200 },
  );
  expect(await rows()).toEqual(before);
});
