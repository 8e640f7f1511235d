import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createDatabase();
});
afterEach(() => db.drop());

const start = Date.now() - 3_600_000;
const at = (seconds: number) => new Date(start + seconds * 1000);
const row = async (name: string) =>
  (await db.sql`select * from hp_worker_status where worker_name = ${name}`)[0]!;
const tick = async (seconds: number) =>
  (await db.sql`select hp_private.tick(${at(seconds)}) as done`)[0]!.done;
/** The watch runs without a gap. */
const watch = async (from: number, to: number) => {
  for (let second = from; second <= to; second += 5) await tick(second);
};

const events = async () =>
  (
    await db.sql`select at, from_value, to_value, reason from hp_worker_event where type = 'monitor' order by id`
  ).map(({ at: when, to_value: to, reason }) => [
    (when.getTime() - start) / 1000,
    to as string,
    reason as string,
  ]);

describe('the tick', () => {
  it('marks a silent worker crashed, stamped with the deadline and not with when it looked', async () => {
    await tick(0);
    await new Process(db.sql, 'silent').send(
      { status: 'processing', current_status: 'deep in it', current_job_id: 'j1' },
      at(3),
    );
    await watch(5, 50);
    expect((await row('silent')).status).toBe('processing');
    await watch(55, 60);
    expect(await row('silent')).toMatchObject({
      status: 'crashed',
      status_reason: 'no heartbeat for 50 seconds',
      status_since: at(53),
      lease_expires_at: null,
      current_status: null,
      current_job_id: null,
    });
    const [event] =
      await db.sql`select * from hp_worker_event where worker_name = 'silent' and to_value = 'crashed'`;
    expect(event).toMatchObject({
      at: at(53),
      details: { current_job_id: 'j1', current_status: 'deep in it' },
    });
  });

  it('takes the worker back when it is heard again', async () => {
    const worker = new Process(db.sql, 'returns');
    await tick(0);
    await worker.send({}, at(1));
    await watch(5, 60);
    await worker.send({}, at(61));
    expect(await row('returns')).toMatchObject({ status: 'idle', status_reason: null });
  });

  it('accuses nobody for its own outage: silence counts from when it watches again', async () => {
    await tick(0);
    await new Process(db.sql, 'innocent').send({}, at(1));
    await tick(300); // nobody looked for five minutes
    expect((await row('innocent')).status).toBe('idle');
    await watch(305, 345);
    expect((await row('innocent')).status).toBe('idle');
    await watch(350, 355);
    expect((await row('innocent')).status).toBe('crashed');
  });

  it('that comes late forgives those to whom that was long, and nobody else', async () => {
    await watch(0, 20);
    await new Process(db.sql, 'quick', { heartbeat_interval_s: 2 }).send({}, at(20));
    await new Process(db.sql, 'slow', { heartbeat_interval_s: 7 }).send({}, at(1));
    await tick(36); // after 16 s: more than the whole lease of one, less than half of that of the other
    await tick(41);
    expect((await row('quick')).status).toBe('idle');
    expect(await row('slow')).toMatchObject({ status: 'crashed', status_since: at(36) });
    await watch(46, 56);
    expect(await row('quick')).toMatchObject({ status: 'crashed', status_since: at(48) });
  });

  it('waits after its own outage for a request that hung, which may take longer than a short lease', async () => {
    await tick(0);
    await new Process(db.sql, 'rapid', { heartbeat_interval_s: 1 }).send({}, at(1));
    await tick(100);
    await watch(105, 110);
    expect((await row('rapid')).status).toBe('idle');
    await watch(115, 120);
    expect(await row('rapid')).toMatchObject({ status: 'crashed', status_since: at(111) });
  });

  it('passes over a locked worker in all that it does', async () => {
    await new Process(db.sql, 'twin').send();
    await db.sql`update hp_worker_status set name_conflict_since = now() where worker_name = 'twin'`;
    await db.sql.begin(async (sql) => {
      await sql`select from hp_worker_status where worker_name = 'twin' for no key update`;
      await db.sql.begin(async (ticking) => {
        await ticking`set local lock_timeout = '1s'`;
        await ticking`select public.hp_tick()`;
      });
    });
    expect((await row('twin')).name_conflict_since).not.toBeNull();
    await db.sql`select public.hp_tick()`;
    expect((await row('twin')).name_conflict_since).toBeNull();
  });

  it('leaves alone who was declared, who said goodbye, and who is being beaten at this moment', async () => {
    await tick(0);
    const gone = new Process(db.sql, 'gone');
    await gone.send({}, at(1));
    await gone.send({ status: 'stopped' }, at(2));
    const beaten = new Process(db.sql, 'beaten');
    await beaten.send({}, at(2));
    await watch(5, 50);
    await db.sql.begin(async (sql) => {
      await sql`select from hp_worker_status where worker_name = 'beaten' for no key update`;
      await watch(55, 60);
    });
    expect((await row('gone')).status).toBe('stopped');
    expect((await row('beaten')).status).toBe('idle');
    expect((await row('crawl-worker')).status).toBe('unknown');
  });

  it('runs one at a time, and says so', async () => {
    await db.sql.begin(async (sql) => {
      await sql`select hp_private.tick(${at(0)})`;
      expect(await tick(1)).toEqual({ ran: false });
    });
    expect(await tick(2)).toMatchObject({ ran: true });
  });

  it('is run by the beats themselves where nobody schedules it', async () => {
    await db.sql`update hp_private.monitor set tick_at = now() - interval '1 minute'`;
    await new Process(db.sql, 'lonely').send();
    const [monitor] =
      await db.sql`select now() - tick_at < interval '5 seconds' as fresh from hp_private.monitor`;
    expect(monitor!.fresh).toBe(true);
  });

  it('takes for a gap what is long for its own period', async () => {
    await db.sql`update hp_setting set value = '60' where key = 'tick_every_s'`;
    await tick(0);
    await tick(170);
    expect(await events()).toEqual([]);
    await tick(351);
    expect((await events()).map(([when, to]) => [when, to])).toEqual([
      [170, 'impaired'],
      [351, 'monitoring'],
    ]);
  });

  it('is run by beats when an open page waits for its digest, however rare its own period is', async () => {
    await db.sql`update hp_setting set value = '60' where key = 'tick_every_s'`;
    await db.sql`select hp_tick()`;
    const late = () => db.sql`update hp_private.monitor set tick_at = now() - interval '11 seconds'`;
    const ticked = async () =>
      (await db.sql`select tick_at > now() - interval '5 seconds' as is from hp_private.monitor`)[0]!
        .is as boolean;
    await late();
    const worker = new Process(db.sql, 'lonely');
    await worker.send();
    expect(await ticked()).toBe(false);
    await db.sql`select hp_watch()`;
    await late();
    await worker.send();
    expect(await ticked()).toBe(true);
  });

  it('marks a scheduled worker that did not begin its run within its grace, and one whose run does not end', async () => {
    await tick(0);
    const due = new Process(db.sql, 'nightly', { kind: 'scheduled' });
    await due.send({ grace_s: 60, next_run_in_ms: 100_000 }, at(1));
    const endless = new Process(db.sql, 'endless', { kind: 'scheduled' });
    await endless.send({ status: 'processing', max_run_s: 120 }, at(1));
    await db.sql`update hp_worker_status set lease_expires_at = ${at(161)}, next_run_at = ${at(101)}, grace_s = 60
      where worker_name = 'nightly'`;
    await db.sql`update hp_worker_status set lease_expires_at = ${at(121)}, max_run_s = 120 where worker_name = 'endless'`;
    await watch(5, 120);
    expect((await row('endless')).status).toBe('processing');
    await watch(125, 160);
    expect(await row('endless')).toMatchObject({
      status: 'crashed',
      status_reason: 'its run has lasted longer than 2 minutes',
      status_since: at(121),
    });
    expect((await row('nightly')).status).toBe('idle');
    await tick(165);
    expect(await row('nightly')).toMatchObject({ status: 'crashed', status_since: at(161) });
    expect((await row('nightly')).status_reason).toMatch(
      /^overdue: due \d{4}-\d\d-\d\d \d\d:\d\d UTC, not begun 1 minute later$/,
    );
  });

  it('excuses a scheduled worker whose run lay in a gap of ours until it is due again, and none that was due since', async () => {
    await watch(0, 90);
    for (const [name, next] of [
      ['missed', 110],
      ['later', 340],
    ] as const) {
      await new Process(db.sql, name, { kind: 'scheduled' }).send({ next_run_in_ms: 1 }, at(10));
      await db.sql`update hp_worker_status set next_run_at = ${at(next)}, grace_s = 30, lease_expires_at = ${at(next + 30)}
        where worker_name = ${name}`;
    }
    await tick(300);
    await watch(305, 370);
    expect((await row('missed')).status).toBe('idle');
    expect((await row('later')).status).toBe('crashed');
    await watch(375, 430);
    expect(await row('missed')).toMatchObject({ status: 'crashed', status_since: at(430) });
  });

  it('removes events and ended instances that have been kept long enough, and no others', async () => {
    await new Process(db.sql, 'pruned').send();
    await new Process(db.sql, 'pruned').send();
    await db.sql`update hp_worker_event set recorded_at = now() - interval '91 days' where type = 'status'`;
    await db.sql`update hp_worker_instance set last_heartbeat = now() - interval '8 days'`;
    await db.sql`select public.hp_tick()`;
    expect(await db.sql`select from hp_worker_event`).toHaveLength(2); // it did so less than an hour ago
    await db.sql`update hp_private.monitor set pruned_at = now() - interval '61 minutes'`;
    await db.sql`select public.hp_tick()`;
    const left = await db.sql`select type from hp_worker_event`;
    expect(left.map((e) => e.type)).toEqual(['instance']);
    expect(await db.sql`select from hp_worker_instance`).toHaveLength(1);
  });
});

describe('a fleet that falls silent together', () => {
  const fleet = ['a', 'b', 'c', 'd'];
  let workers: Process[];
  const beats = (second: number, names = fleet) =>
    Promise.all(names.map((name) => workers[fleet.indexOf(name)]!.send({}, at(second))));
  const statuses = async () =>
    (
      await db.sql`select status from hp_worker_status where worker_name = any (${fleet}) order by worker_name`
    ).map(({ status }) => status as string);
  beforeEach(async () => {
    workers = fleet.map((name) => new Process(db.sql, name));
    await tick(0);
    await beats(1);
  });

  it('is not accused: the watch is impaired until it is heard again, and says so at both ends', async () => {
    await watch(5, 60);
    expect(await statuses()).toEqual(['idle', 'idle', 'idle', 'idle']);
    const [monitor] = await db.sql`select impaired_since from hp_private.monitor`;
    expect(monitor!.impaired_since).toEqual(at(51));
    await beats(61, ['a', 'b']);
    await watch(65, 85); // c and d have a lease from the last doubt
    await beats(86, ['a', 'b']);
    await watch(90, 105);
    expect(await statuses()).toEqual(['idle', 'idle', 'idle', 'idle']);
    expect(await events()).toEqual([
      [
        51,
        'impaired',
        '0 of 4 workers reported within 40 seconds: the fault may be ours, so no worker is marked as crashed',
      ],
      [65, 'monitoring', 'workers report again'],
    ]);
    await tick(110);
    expect(await statuses()).toEqual(['idle', 'idle', 'crashed', 'crashed']);
    expect((await row('c')).status_since).toEqual(at(110));
  });

  it('is given up after three leases more, with one event that speaks for all', async () => {
    await watch(5, 200);
    expect(await statuses()).toEqual(['idle', 'idle', 'idle', 'idle']);
    await watch(205, 210);
    expect(await statuses()).toEqual(['crashed', 'crashed', 'crashed', 'crashed']);
    expect(await row('a')).toMatchObject({
      status_since: at(51),
      status_reason: 'no heartbeat for 50 seconds',
    });
    expect((await events()).map(([when, to]) => [when, to])).toEqual([
      [51, 'impaired'],
      [205, 'lost'],
      [205, 'monitoring'],
    ]);
    const [lost] = await db.sql`select id, details from hp_worker_event where to_value = 'lost'`;
    expect(lost!.details).toEqual({ workers: 4, names: fleet });
    const each = await db.sql`select details from hp_worker_event where to_value = 'crashed'`;
    expect(each.map(({ details }) => details.fleet_event)).toEqual(fleet.map(() => Number(lost!.id)));
  });

  it('is given up together, however the last beats were staggered, and is not said to be heard again', async () => {
    await db.sql`update hp_setting set value = '1' where key = 'tick_every_s'`;
    const quick = ['q1', 'q2', 'q3', 'q4', 'q5'].map(
      (name) => new Process(db.sql, name, { heartbeat_interval_s: 2 }),
    );
    await db.sql`delete from hp_worker_status where worker_name = any (${fleet})`;
    const crashed: [number, string[]][] = [];
    for (let second = 1; second <= 60; second += 1) {
      // Three are killed: one was last heard at 9, two at 11.
      const alive = quick.filter((_, n) => n > 2 || second < (n === 0 ? 10 : 12));
      if (second % 2 === 1) await Promise.all(alive.map((worker) => worker.send({}, at(second))));
      const { silent } = await tick(second);
      if (silent > 0) {
        const gone =
          await db.sql`select worker_name from hp_worker_status where status = 'crashed' order by 1`;
        crashed.push([second, gone.map(({ worker_name: name }) => name as string)]);
      }
    }
    expect(crashed).toEqual([[51, ['q1', 'q2', 'q3']]]); // three leases after the last one's own
    expect((await events()).map(([when, to, reason]) => [when, to, reason])).toEqual([
      [19, 'impaired', expect.stringMatching(/^2 of 5 workers reported/)],
      [51, 'lost', '3 workers have been silent for three leases more: marked as crashed'],
      [51, 'monitoring', 'no worker is in doubt any more'],
    ]);
    const [lost] = await db.sql`select details from hp_worker_event where to_value = 'lost'`;
    expect(lost!.details).toEqual({ workers: 3, names: ['q1', 'q2', 'q3'] });
  });

  it('in part, and in part later, is asked for as a whole until the doubt is over', async () => {
    const alive = new Process(db.sql, 'e');
    for (let second = 5; second <= 270; second += 5) {
      // a, b and c are silent from 1 on, so that two of five are heard; d is from 60 on, in the doubt.
      await alive.send({}, at(second));
      if (second <= 60) await beats(second, ['d']);
      await tick(second);
      expect(await statuses(), `at ${second} s`).toEqual([
        ...fleet.slice(1).map(() => (second < 205 ? 'idle' : 'crashed')),
        second < 260 ? 'idle' : 'crashed', // three leases after its own
      ]);
    }
    expect((await events()).map(([when, to]) => [when, to])).toEqual([
      [51, 'impaired'],
      [205, 'lost'],
      [260, 'lost'],
      [260, 'monitoring'],
    ]);
  });

  it('but for less than half of it is accused', async () => {
    await watch(5, 35);
    await beats(36, ['a', 'b']);
    await watch(40, 55);
    expect(await statuses()).toEqual(['idle', 'idle', 'crashed', 'crashed']);
    expect(await events()).toEqual([]);
  });

  it('holds back no accusation of a worker that was silent before the others', async () => {
    await watch(5, 20);
    await beats(21, ['a', 'b', 'c']);
    await watch(25, 55);
    expect(await statuses()).toEqual(['idle', 'idle', 'idle', 'crashed']);
  });

  it('does not make a scheduled worker crashed whose run could not be told of meanwhile', async () => {
    await new Process(db.sql, 'hourly', { kind: 'scheduled' }).send({}, at(2));
    await db.sql`update hp_worker_status set next_run_at = ${at(40)}, grace_s = 30, lease_expires_at = ${at(70)}
      where worker_name = 'hourly'`;
    await watch(5, 75);
    await beats(76);
    await watch(80, 120);
    expect((await row('hourly')).status).toBe('idle');
  });

  it('is told to open pages at once, both times', async () => {
    await db.sql`update hp_private.monitor set viewed_until = ${at(9999)}`;
    const told = async () =>
      (await db.sql`delete from realtime.messages returning payload`).map(
        ({ payload }) => payload.header?.impaired_since as string | null | undefined,
      );
    await watch(5, 50);
    await told();
    await db.sql`update hp_private.monitor set digest_at = ${at(54)}`;
    await tick(55);
    expect((await told()).map((since) => since && new Date(since))).toEqual([at(51)]);
    await beats(56);
    await told();
    await db.sql`update hp_private.monitor set digest_at = ${at(59)}`;
    await tick(60);
    expect(await told()).toEqual([null]);
  });

  it('and is half back between two rare ticks is not accused: who is silent must be so at two of them', async () => {
    await db.sql`update hp_setting set value = '60' where key = 'tick_every_s'`;
    await tick(60);
    await beats(115);
    await tick(120);
    await beats(125, ['a']);
    // The network fails here, and is back at 171.
    await beats(172, ['b', 'c', 'd']);
    await tick(180);
    expect(await statuses()).toEqual(['idle', 'idle', 'idle', 'idle']);
    await beats(182, ['a']);
    await beats(235);
    await tick(240);
    expect(await statuses()).toEqual(['idle', 'idle', 'idle', 'idle']);
  });

  it('for want of our own tick leaves two events as well', async () => {
    await tick(3);
    await tick(303);
    expect(await events()).toEqual([
      [3, 'impaired', 'the tick did not run'],
      [303, 'monitoring', 'the tick runs again, after 5 minutes: silence counts from now'],
    ]);
  });
});
