import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { groupRow, toGroupSettings } from '../../src/lib/rules/group.ts';
import { workerHealth, type Rule } from '../../src/lib/rules/health.ts';
import { tallyByType } from '../../src/lib/rules/tally.ts';
import { toDate, toWorker, workerRow, type WorkerRow } from '../../src/lib/rules/worker.ts';
import { caseOf, type Case } from '../support/arbitrary-fleet.ts';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

/** Every rule; a key too many or too few does not compile. */
const RULES: Record<Rule, true> = {
  paused: true,
  stopped: true,
  'never-reported': true,
  'not-monitored': true,
  crashed: true,
  'stopped-but-expected': true,
  silent: true,
  'breaker-open': true,
  error: true,
  'run-errors': true,
  stuck: true,
  overdue: true,
  'not-scheduled': true,
  starting: true,
  stopping: true,
  late: true,
  'run-late': true,
  draining: true,
  'no-run-yet': true,
  due: true,
  'breaker-half-open': true,
  'event-loop': true,
  fine: true,
};

/** Ends a transaction without leaving anything. */
const ROLLBACK = new Error('rolled back');
/** The columns that a made-up row has. */
const COLUMNS = Object.keys(fc.sample(caseOf, 1)[0]!.worker);

/** What SQL says of each case, and the row as a page would be sent it. */
const judged = (cases: Case[]) => db.sql`
  select h.level, h.rule, h.reason, jsonb_strip_nulls(to_jsonb(w)) as row, to_jsonb(c.at) as at,
    to_jsonb(c.watching_since) as watching_since, to_jsonb(c.impaired_since) as impaired_since,
    to_jsonb(c.group_paused_until) as group_paused_until, c.group_paused_reason
  from rows from (jsonb_to_recordset(${db.sql.json(cases as never)}) as (
    worker jsonb, at timestamptz, watching_since timestamptz, impaired_since timestamptz,
    group_paused_until timestamptz, group_paused_reason text)) with ordinality c
    cross join lateral jsonb_populate_record(null::hp_worker_status, c.worker) w
    cross join lateral hp_private.worker_health(
      w, c.at, c.watching_since, c.impaired_since, c.group_paused_until, c.group_paused_reason) h
  order by c.ordinality`;

describe('the health of a worker', () => {
  it('is the same in SQL and on the page: level, rule and words, for thousands of rows', async () => {
    let rows = 0;
    const same = fc.asyncProperty(
      fc.array(caseOf, { minLength: 1, maxLength: 700, size: 'max' }),
      async (cases) => {
        const bySql = await judged(cases);
        const [ours, theirs] = [[] as unknown[], [] as unknown[]];
        for (const { level, rule, reason, row, ...given } of bySql) {
          const watch = {
            at: toDate(given.at)!,
            watchingSince: toDate(given.watching_since),
            impairedSince: toDate(given.impaired_since),
          };
          const pause = {
            pausedUntil: toDate(given.group_paused_until),
            pausedReason: given.group_paused_reason as string | null,
          };
          const { level: l, rule: r, reason: w } = workerHealth(toWorker(workerRow(row)), watch, pause);
          ours.push([l, r, w]);
          theirs.push([level, rule, reason]);
        }
        rows += bySql.length;
        expect(ours).toEqual(theirs);
      },
    );
    await fc.assert(same, { numRuns: 12 });
    expect(rows).toBeGreaterThan(500);
  });

  it('meets every rule in the rows that are made up for this', () => {
    const rules = fc.sample(caseOf, { numRuns: 5_000, seed: 1 }).map(({ worker, ...given }) => {
      const watch = {
        at: toDate(given.at)!,
        watchingSince: toDate(given.watching_since),
        impairedSince: toDate(given.impaired_since),
      };
      return workerHealth(toWorker(worker as WorkerRow), watch).rule;
    });
    expect([...new Set(rules)].sort()).toEqual(Object.keys(RULES).sort());
  });

  it('is healthy, and the worker alive, wherever the quick condition of the views says so', async () => {
    let fine = 0;
    const columns = COLUMNS.map((column) => `"${column}"`).join(', ');
    const implied = fc.asyncProperty(
      fc.array(caseOf, { minLength: 1, maxLength: 700, size: 'max' }),
      async (cases) => {
        const named = cases.map((one, place) => ({
          ...one,
          worker: { ...one.worker, worker_id: place + 1, worker_name: `w${place}`, worker_type: null },
        }));
        const insert = db.sql.begin(async (sql) => {
          await sql`alter table hp_worker_status disable trigger user`;
          await sql.unsafe(
            `insert into hp_worker_status (${columns})
              select ${COLUMNS.map((column) => `w."${column}"`).join(', ')}
              from jsonb_to_recordset($1::text::jsonb) as c (worker jsonb)
                cross join lateral jsonb_populate_record(null::hp_worker_status, c.worker) w`,
            [JSON.stringify(named)],
          );
          const found = await sql`
            select (f.worker).worker_name, h.level, hp_private.is_alive(f.worker, c.at, c.watching_since) as alive
            from jsonb_to_recordset(${sql.json(named as never)}) as c (
              worker jsonb, at timestamptz, watching_since timestamptz, impaired_since timestamptz)
              join hp_private.surely_fine f on (f.worker).worker_name = c.worker ->> 'worker_name'
              cross join lateral hp_private.worker_health(
                f.worker, c.at, c.watching_since, c.impaired_since, null, null) h
            where c.at < f.fine_until and (c.at < f.paused_until) is not true`;
          expect(found.filter(({ level, alive }) => level !== 'healthy' || !alive)).toEqual([]);
          fine += found.length;
          throw ROLLBACK;
        });
        await expect(insert).rejects.toBe(ROLLBACK);
      },
    );
    await fc.assert(implied, { numRuns: 12 });
    expect(fine).toBeGreaterThan(20);
  });

  it('is told to members by hp_worker_health, which knows the watch and the group, and to nobody else', async () => {
    await new Process(db.sql, 'crawl-1').send({ worker_type: 'crawl', heartbeat_interval_s: 10 });
    await db.sql`update hp_private.monitor set watching_since = now() - interval '1 day'`;
    const health = async (person: 'carol' | 'mallory', after: string) => {
      const [row] = await db.asPerson(
        person,
        (
          sql,
        ) => sql`select h.* from hp_worker_status w, hp_worker_health(w, w.last_heartbeat + ${after}::interval) h
          where worker_name = 'crawl-1'`,
      );
      return row;
    };
    expect(await health('carol', '19.999 s')).toEqual({ level: 'healthy', rule: 'fine', reason: '' });
    expect(await health('carol', '20 s')).toMatchObject({ level: 'warning', rule: 'late' });
    const silent = { level: 'critical', rule: 'silent', reason: 'no heartbeat for 3 minutes' };
    expect(await health('carol', '3 min')).toEqual(silent);
    await db.sql`update hp_private.monitor set impaired_since = '2026-11-22 11:59:20.5+00'`;
    expect(await health('carol', '3 min')).toEqual({
      level: 'unknown',
      rule: 'not-monitored',
      reason: 'not monitored since 2026-11-22 11:59:20 UTC',
    });
    await db.sql`insert into hp_worker_group (worker_type, paused_until, paused_reason) values ('crawl', 'infinity', 'the sale')`;
    expect(await health('carol', '3 min')).toMatchObject({ level: 'inactive', reason: 'the sale' });
    expect(await health('mallory', '3 min')).toBeUndefined();
    await expect(
      db.as('anon', {}, (sql) => sql`select hp_worker_health(null::hp_worker_status)`),
    ).rejects.toMatchObject({ code: '42501' });
    await db.sql`delete from hp_worker_group`;
    await db.sql`update hp_private.monitor set impaired_since = null`;
    await db.sql`delete from hp_worker_status where worker_name = 'crawl-1'`;
  });
});

describe('the health of a group', () => {
  const typeOf = fc.constantFrom('crawl', 'post', 'analyse', null);
  const fleetOf = fc.record({
    cases: fc.array(fc.tuple(caseOf, typeOf), { minLength: 0, maxLength: 30, size: 'max' }),
    groups: fc.uniqueArray(
      fc.record({
        worker_type: fc.constantFrom('crawl', 'post', 'empty'),
        desired: fc.option(fc.integer({ min: 2, max: 9 })),
        minimum: fc.option(fc.integer({ min: 0, max: 2 })),
        paused_until: fc.constantFrom(
          null,
          null,
          null,
          '2026-11-22T12:00:00Z',
          '2026-11-22T12:00:01Z',
          'infinity',
        ),
        paused_reason: fc.constantFrom(null, 'the sale'),
      }),
      { selector: ({ worker_type }) => worker_type },
    ),
    impaired: fc.boolean(),
  });
  const at = new Date('2026-11-22T12:00:00Z');
  const [someone] = fc.sample(caseOf, { numRuns: 1, seed: 1 });
  const lapsed = {
    status: 'idle',
    kind: 'resident',
    paused_until: null,
    last_heartbeat: '2026-11-22T11:00:00Z',
    lease_expires_at: '2026-11-22T11:30:00Z',
  };
  /** One wanted, and nobody can tell whether it lives. */
  const doubted = {
    cases: [[{ ...someone!, worker: { ...someone!.worker, ...lapsed } }, 'crawl']] as [Case, 'crawl'][],
    groups: [
      { worker_type: 'crawl', desired: 1, minimum: null, paused_until: null, paused_reason: null } as const,
    ],
    impaired: true,
  };

  it('is the same in SQL and on the page, and so are the counts', async () => {
    const rules = new Set<string>();
    const same = fc.asyncProperty(fleetOf, async ({ cases, groups, impaired }) => {
      const rows = cases.map(([{ worker }, worker_type], n) => ({
        ...worker,
        worker_type,
        worker_id: n + 1,
        worker_name: `worker-${n}`,
      }));
      const watch = {
        at,
        watchingSince: new Date(0),
        impairedSince: impaired ? new Date('2026-11-22T11:00:00Z') : null,
      };
      await db.sql
        .begin(async (sql) => {
          await sql`delete from hp_worker_status`;
          await sql`delete from hp_worker_group`;
          await sql`select set_config('application_name', 'lastseen own write', true)`;
          await sql`update hp_private.monitor set watching_since = ${watch.watchingSince}, impaired_since = ${watch.impairedSince}`;
          await sql`insert into hp_worker_status (${sql(COLUMNS)})
            select ${sql(COLUMNS)} from jsonb_populate_recordset(null::hp_worker_status, ${sql.json(rows as never)})`;
          await sql`insert into hp_worker_group (worker_type, desired, minimum, paused_until, paused_reason)
            select worker_type, desired, minimum, paused_until, paused_reason
            from jsonb_populate_recordset(null::hp_worker_group, ${sql.json(groups as never)})`;

          const workers =
            await sql`select jsonb_strip_nulls(to_jsonb(s)) as row from hp_private.worker_state s`;
          const settings =
            await sql`select jsonb_strip_nulls(to_jsonb(s)) as row from hp_private.group_state s`;
          const known = new Map(settings.map(({ row }) => [row.worker_type, toGroupSettings(groupRow(row))]));
          const judged = workers.map(({ row }) => {
            const worker = toWorker(workerRow(row));
            return { worker, health: workerHealth(worker, watch, known.get(worker.type ?? '')) };
          });
          const ours = [...tallyByType(judged, watch, known)]
            .filter(([type]) => type !== null)
            .map(([type, { alive, expected, health }]) => ({ type, alive, expected, ...health }))
            .sort((a, b) => (a.type! < b.type! ? -1 : 1));
          for (const { rule } of ours) rules.add(rule);
          const theirs = await sql`select worker_type as type, alive::int, expected::int, level, rule, reason
            from hp_private.group_health(${at})`;
          expect(ours).toEqual([...theirs]);
          throw ROLLBACK;
        })
        .catch((error: unknown) => {
          if (error !== ROLLBACK) throw error;
        });
    });
    await fc.assert(same, { numRuns: 40, examples: [[doubted]] });
    expect([...rules].sort()).toEqual(['below-desired', 'below-minimum', 'fine', 'not-monitored', 'paused']);
  });

  it('is told to members by hp_worker_group_health, as of now', async () => {
    await db.sql`delete from hp_worker_status`;
    await db.sql`insert into hp_worker_group (worker_type, desired, minimum) values ('crawl', 3, 2), ('post', 1, null)`;
    const fleet = [1, 2].map((n) => new Process(db.sql, `crawl-${n}`, { worker_type: 'crawl' }));
    for (const worker of fleet) await worker.send();
    const groups = async (person: 'carol' | 'mallory') => {
      const rows = await db.asPerson(
        person,
        (sql) => sql`select worker_type, level, reason from hp_worker_group_health`,
      );
      return rows.map(({ worker_type, level, reason }) => `${worker_type} ${level}: ${reason}`);
    };
    expect(await groups('carol')).toEqual([
      'crawl warning: 2/3 running, minimum 2',
      'post warning: 0/1 running',
    ]);
    await fleet[0]!.send({ status: 'stopped' });
    expect((await groups('carol'))[0]).toBe('crawl critical: 1/3 running, minimum 2');
    expect(await groups('mallory')).toEqual([]);
  });
});
