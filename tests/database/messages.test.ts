import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { beat, Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createDatabase();
});
afterEach(() => db.drop());

interface Payload {
  part: number;
  parts: number;
  header?: { workers: number; revision: number; generation: string; received_until: string };
  workers?: { worker_name: string; status: string; revision: number; metadata?: unknown }[];
  beats?: unknown[][];
}
const watch = () => db.sql`select public.hp_watch()`;
const digest = () => db.sql`select hp_private.send_digest('digest', now() - interval '10 seconds', now())`;
/** Messages sent since the last call. */
const sent = async () => {
  const rows =
    await db.sql`delete from realtime.messages returning event, topic, private, payload, inserted_at`;
  return rows.map(
    (r) =>
      ({ ...r, payload: r.payload as Payload }) as never as {
        event: string;
        topic: string;
        private: boolean;
        payload: Payload;
      },
  );
};
const settle = () =>
  db.sql`update hp_private.message_budget set sent_at = '-infinity', filled_at = '-infinity'`;

describe('messages', () => {
  it('are not sent while nobody watches', async () => {
    await new Process(db.sql, 'unseen').send({ status: 'error' });
    await db.sql`select public.hp_tick()`;
    expect(await sent()).toEqual([]);
  });

  it('carry a transition at once, privately, with the whole state of that worker and without its metadata', async () => {
    await watch();
    await sent();
    await new Process(db.sql, 'seen').send({ status: 'starting', metadata: { secret: 1 } });
    const [message, ...more] = await sent();
    expect(more).toEqual([]);
    expect(message).toMatchObject({ event: 'transition', topic: 'hp:fleet', private: true });
    expect(message!.payload.workers).toHaveLength(1);
    expect(message!.payload.workers![0]).toMatchObject({ worker_name: 'seen', status: 'starting' });
    expect(message!.payload.workers![0]).not.toHaveProperty('metadata');
  });

  it('join activity: the first change at once, the next within a second waits and the worker is told to come again', async () => {
    await watch();
    const worker = new Process(db.sql, 'busy');
    await worker.send();
    await settle();
    await sent();
    expect(await worker.send({ status: 'processing', current_status: 'one' })).not.toHaveProperty('again_ms');
    const answer = await worker.send({ status: 'processing', current_status: 'two' });
    expect(answer.again_ms).toBeGreaterThanOrEqual(50);
    expect(answer.again_ms).toBeLessThanOrEqual(1050);
    expect(answer.activity_every_s).toBe(1);
    const messages = await sent();
    expect(messages.map((m) => m.event)).toEqual(['activity']);
    expect(messages[0]!.payload.header!.workers).toBe(6);
  });

  it('carry activity that was held back with the next beat, though that beat changes nothing', async () => {
    await watch();
    const worker = new Process(db.sql, 'busy');
    await worker.send();
    await settle();
    await worker.send({ status: 'processing', current_status: 'one' });
    await worker.send({ status: 'processing', current_status: 'two' });
    await sent();
    await db.sql`update hp_private.message_budget set sent_at = sent_at - interval '1 second'
      where kind = 'activity'`;
    await worker.send({ status: 'processing', current_status: 'two' });
    const [message] = await sent();
    expect(message!.event).toBe('activity');
    expect(JSON.stringify(message!.payload)).toContain('two');
    await worker.send({ status: 'processing', current_status: 'two' });
    expect(await sent()).toEqual([]);
  });

  it('carry a transition that found its store used up with the next beat', async () => {
    await db.sql`update hp_setting set value = '0' where key = 'transition_store'`;
    await watch();
    const worker = new Process(db.sql, 'joined');
    await worker.send();
    await sent();
    const answer = await worker.send({ status: 'error', last_error: 'boom' });
    expect(answer.again_ms).toBeGreaterThanOrEqual(50);
    expect(await sent()).toEqual([]);
    await db.sql`update hp_private.message_budget set sent_at = sent_at - interval '1 second'
      where kind = 'activity'`;
    await worker.send({ status: 'error', last_error: 'boom' });
    const [message] = await sent();
    expect(message!.event).toBe('activity');
    expect(message!.payload.workers!.find((w) => w.worker_name === 'joined')).toMatchObject({
      status: 'error',
    });
  });

  it('leave activity to the digest when the store is used up, and transitions join it', async () => {
    await db.sql`update hp_setting set value = '0' where key in ('activity_store', 'transition_store')`;
    await watch();
    const worker = new Process(db.sql, 'throttled');
    await sent();
    const answer = await worker.send({ status: 'processing', current_status: 'one' });
    expect(answer).not.toHaveProperty('again_ms');
    expect(await sent()).toEqual([]);
    await digest();
    const [message] = await sent();
    expect(message!.payload.workers!.map((w) => w.worker_name)).toContain('throttled');
  });

  it.each([
    ['activity_store', '"600"'],
    ['transition_store', 'null'],
    ['beats_per_second', '0'],
    ['activity_refill_s', '0'],
    ['activity_refill_s', '1e300'],
    ['tick_every_s', '-5'],
    ['digest_every_s', '"often"'],
  ])('and beats go on when the setting %s is %s', async (key, value) => {
    await db.sql`update hp_setting set value = ${value}::text::jsonb where key = ${key}`;
    await watch();
    await db.sql`update hp_private.monitor set tick_at = now() - interval '1 hour'`;
    expect(await new Process(db.sql, 'steady').send({ current_status: 'x' })).toMatchObject({ ok: true });
    await db.sql`select public.hp_tick()`;
  });

  it('carry a worker whose CPU passed a threshold, or whose last error came again', async () => {
    const worker = new Process(db.sql, 'strained');
    const revision = async () =>
      Number(
        (await db.sql`select revision from hp_worker_status where worker_name = 'strained'`)[0]!.revision,
      );
    await worker.send({ cpu_percent: 20, last_error: 'boom', last_error_age_ms: 60_000 });
    const calm = await revision();
    await worker.send({ cpu_percent: 70 });
    expect(await revision()).toBe(calm);
    await worker.send({ cpu_percent: 97 });
    const hot = await revision();
    expect(hot).toBeGreaterThan(calm);
    await worker.send({ cpu_percent: 98, last_error: 'boom', last_error_age_ms: 0 });
    expect(await revision()).toBeGreaterThan(hot);
  });

  it.each(['requested_interval_s', 'interval_override_s', 'grace_s', 'max_run_s', 'expected'])(
    'carry a worker whose %s was changed whole, under a new revision',
    async (column) => {
      await new Process(db.sql, 'edited').send({ requested_interval_s: 10 });
      const [before] = await db.sql`select revision from hp_worker_status where worker_name = 'edited'`;
      await db.sql`update hp_worker_status set ${db.sql({ [column]: column === 'expected' ? false : 77 })}
        where worker_name = 'edited'`;
      const [after] = await db.sql`select revision from hp_worker_status where worker_name = 'edited'`;
      expect(Number(after!.revision)).toBeGreaterThan(Number(before!.revision));
      await sent();
      await digest();
      const [message] = await sent();
      const told = message!.payload.workers!.find((worker) => worker.worker_name === 'edited');
      expect(told).toMatchObject({ [column]: column === 'expected' ? false : 77 });
    },
  );

  it('of a plain beat are a tuple in the digest, of activity a longer one', async () => {
    const quiet = new Process(db.sql, 'quiet');
    const busy = new Process(db.sql, 'busy');
    await beat(db.sql, [quiet.next(), busy.next()]);
    await db.sql`update hp_worker_status set updated_at = now() - interval '1 minute', activity_seen_at = now() - interval '1 minute'`;
    await beat(db.sql, [
      quiet.next({ jobs_total: 4, jobs_active: 1 }),
      busy.next({
        status: 'processing',
        current_status: 'Crawling',
        current_job_id: 'j1',
        current_job_type: 'page',
        last_run_age_ms: 5000,
        processed_count: 3,
        last_run_errors: 0,
      }),
    ]);
    await sent();
    await digest();
    const { payload } = (await sent())[0]!;
    const ids =
      await db.sql`select worker_name, worker_id::int as id, revision::int as revision from hp_worker_status`;
    const { id: quietId, revision: quietRevision } = ids.find((w) => w.worker_name === 'quiet')!;
    const { id: busyId, revision: busyRevision } = ids.find((w) => w.worker_name === 'busy')!;
    expect(payload.workers).toBeUndefined();
    expect(payload.beats!.find(([id]) => id === quietId)).toEqual([
      quietId,
      quietRevision,
      2,
      expect.any(Number),
      4,
      0,
      1,
      null,
      null,
      null,
    ]);
    expect(payload.beats!.find(([id]) => id === busyId)).toEqual([
      busyId,
      busyRevision,
      3,
      expect.any(Number),
      0,
      0,
      0,
      expect.any(Number),
      3,
      0,
      expect.any(Number),
      'Crawling',
      'j1',
      'page',
    ]);
    expect(payload.header).toMatchObject({ workers: 7, revision: Math.max(...ids.map((w) => w.revision)) });
  });

  it('of a large fleet come in parts below 200 kB that together hold everybody', async () => {
    const text = 'a'.repeat(400);
    const fleet = Array.from({ length: 1000 }, (_, n) => new Process(db.sql, `large/${n}`));
    await beat(
      db.sql,
      fleet.map((worker) => worker.next({ current_status: text })),
    );
    await sent();
    await digest();
    const messages = (await sent()).sort((a, b) => a.payload.part - b.payload.part);
    expect(messages.length).toBeGreaterThan(3);
    for (const { payload } of messages) expect(JSON.stringify(payload).length).toBeLessThan(200_000);
    expect(messages.map((m) => m.payload.part)).toEqual(messages.map((_, n) => n + 1));
    const names = messages.flatMap((m) => m.payload.workers ?? []).map((w) => w.worker_name);
    // The seeded five are in it too where the run is young: the first digest reaches back for a while.
    expect(new Set(names.filter((name) => name.startsWith('large/'))).size).toBe(1000);
  });

  it('of the tick are empty when nothing happened, so that silence means not live', async () => {
    await watch();
    await db.sql`update hp_worker_status set updated_at = now() - interval '1 hour'`;
    await db.sql`update hp_private.monitor set digest_at = now() - interval '20 seconds'`;
    await sent();
    await db.sql`select public.hp_tick()`;
    const [message] = await sent();
    expect(message).toMatchObject({ event: 'digest', payload: { part: 1, parts: 1 } });
    expect(message!.payload.workers).toBeUndefined();
    expect(message!.payload.beats).toBeUndefined();
  });

  it('of a silent worker go out with the tick that found it', async () => {
    await watch();
    await new Process(db.sql, 'fallen').send();
    await db.sql`update hp_private.monitor set digest_at = now(), ticking_since = now() - interval '1 hour',
      watching_since = now() - interval '1 hour'`;
    await db.sql`update hp_worker_status set lease_expires_at = now() - interval '1 second' where worker_name = 'fallen'`;
    await sent();
    await db.sql`select public.hp_tick()`;
    const [message] = await sent();
    expect(message).toMatchObject({ event: 'transition' });
    expect(message!.payload.workers![0]).toMatchObject({ worker_name: 'fallen', status: 'crashed' });
  });

  it('of a plain write go out too', async () => {
    await watch();
    await sent();
    await db.sql`update hp_worker_status set description = 'Renamed' where worker_name = 'crawl-worker'`;
    const [message] = await sent();
    expect(message!.payload.workers!.map((w) => w.worker_name)).toContain('crawl-worker');
  });
});

describe('the channel', () => {
  const hears = (person: 'carol' | 'mallory', topic: string) =>
    db.asPerson(person, async (sql) => {
      await sql`select set_config('realtime.topic', ${topic}, true)`;
      return (await sql`select from realtime.messages`).length > 0;
    });

  it('is heard by members alone, and only by its own name', async () => {
    await watch();
    await new Process(db.sql, 'spoken').send();
    expect(await hears('carol', 'hp:fleet')).toBe(true);
    expect(await hears('carol', 'hp:other')).toBe(false);
    expect(await hears('mallory', 'hp:fleet')).toBe(false);
  });

  it('takes no messages from anybody', async () => {
    const speak = db.asPerson('carol', async (sql) => {
      await sql`select set_config('realtime.topic', 'hp:fleet', true)`;
      await sql`insert into realtime.messages (topic, extension, event, payload, private) values ('hp:fleet', 'broadcast', 'transition', '{}', true)`;
    });
    await expect(speak).rejects.toMatchObject({ code: '42501' });
  });
});
