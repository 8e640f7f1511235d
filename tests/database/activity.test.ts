import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { beat, Process, type Beat } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createDatabase();
});
afterEach(() => db.drop());

const watch = () => db.sql`select public.hp_watch()`;
const sent = async () =>
  (await db.sql`select event from realtime.messages order by inserted_at`).map(
    ({ event }) => event as string,
  );

it('a plain beat is no activity, also before the first message was ever sent', async () => {
  const worker = new Process(db.sql, 'calm');
  await worker.send({ status: 'processing', current_status: 'the same all day' });
  await watch();
  await db.sql`delete from realtime.messages`;
  await worker.send({ status: 'processing', current_status: 'the same all day' });
  expect(await sent()).toEqual([]);
  await worker.send({ status: 'processing', current_status: 'something else' });
  expect(await sent()).toEqual(['activity']);
});

describe('a digest', () => {
  const start = Date.now() + 60_000; // after whatever else has told the time
  const at = (seconds: number) => new Date(start + seconds * 1000);
  const tick = (seconds: number) => db.sql`select hp_private.tick(${at(seconds)})`;
  const told = (seconds: number) =>
    db.sql`update hp_private.message_budget set sent_at = ${at(seconds)} where kind = 'activity'`;
  const digests = async () => (await sent()).filter((event) => event === 'digest').length;
  beforeEach(() => db.sql`update hp_private.monitor set viewed_until = 'infinity', tick_at = ${at(-5)}`);

  it('is left out while activity messages, which carry it too, are sent', async () => {
    for (let second = 0; second <= 60; second += 5) {
      await told(second - 1);
      await tick(second);
    }
    expect(await digests()).toBe(0);
    for (let second = 65; second <= 85; second += 5) await tick(second);
    expect(await digests()).toBe(2);
  });

  it('comes every 10 s for small fleets, and never more rarely than every 20 s', async () => {
    const every = async (bytes: number) =>
      (await db.sql`select hp_private.message_every_s(${bytes}) as s`)[0]!.s as number;
    expect(await every(0)).toBe(10);
    expect(await every(4_000)).toBe(10);
    expect(await every(8_000)).toBeCloseTo(16.6, 1);
    expect(await every(10_000_000)).toBe(20);
    await db.sql`update hp_setting set value = '1000' where key = 'messages_mb'`;
    expect(await every(8_000)).toBe(10);
  });
});

describe("a week's broadcasts of 50 busy, watched workers", () => {
  const ids = Array.from({ length: 50 }, () => randomUUID());
  let sequence = 0;
  /** Every second each is at another job, with words and ids of the length that they have in real life. */
  const busy = (jobId: () => string): Beat[] => {
    sequence++;
    return ids.map((instance_id, n) => ({
      worker_name: `busy-${n}`,
      instance_id,
      sequence,
      status: 'processing',
      heartbeat_interval_s: 30,
      jobs_total: sequence * 200 + n,
      jobs_active: 1,
      current_job_id: jobId(),
      current_job_type: ['crawl', 'mail', 'invoice', 'thumbnail'][n % 4],
      current_status: `Working on https://example.com/items/${(sequence * 7919 + n * 104_729) % 1_000_000}`,
      status_age_ms: (n * 37) % 1000,
    }));
  };

  /** Bytes that one message takes on disk, with all that belongs to it. */
  const measure = async (jobId: () => string) => {
    await beat(db.sql, busy(jobId));
    await db.sql`update hp_worker_status set updated_at = now() - interval '1 hour'`;
    await db.sql`truncate realtime.messages`;
    const messages = 150;
    for (let n = 0; n < messages; n++) {
      await beat(db.sql, busy(jobId));
      await db.sql`select hp_private.send_digest('activity', clock_timestamp() - interval '2 seconds', clock_timestamp())`;
    }
    const [found] = await db.sql`
      select pg_total_relation_size('realtime.messages_default')::int as bytes, count(*)::int as messages
      from realtime.messages`;
    expect(found!.messages).toBe(messages);
    return (found!.bytes as number) / messages;
  };

  /**
   * How many messages the stores let through in an hour, and in its second half, when what was in store is used up: with
   * always somebody watching and something to tell.
   */
  const allowed = async () => {
    const session = await db.sql.reserve();
    await session`
      update hp_private.message_budget set stored = 0, filled_at = '-infinity', sent_at = '-infinity' where kind = 'activity'`;
    await session.unsafe(`
      create or replace function pg_temp.allowed() returns integer[] language plpgsql as $$
      declare
        v_budget hp_private.message_budget;
        v_at timestamptz := now();
        v_digest_at timestamptz;
        v_messages integer := 0;
        v_half integer;
      begin
        for v_second in 1 .. 3600 loop
          v_at := v_at + interval '1 second';
          select * into v_budget from hp_private.message_budget b where b.kind = 'activity';
          if hp_private.take_message('activity', 600,
            1 / greatest(10, hp_private.message_every_s(v_budget.bytes)), '1 second', v_at) then
            v_messages := v_messages + 1;
          end if;
          if v_second % 5 = 0 and hp_private.digest_due(v_digest_at, '5 seconds', v_at) then
            v_messages := v_messages + 1;
            v_digest_at := v_at;
            perform hp_private.count_message('digest', v_budget.bytes);
          end if;
          v_half := case when v_second = 1800 then v_messages else v_half end;
        end loop;
        return array[v_messages, v_messages - v_half];
      end
      $$`);
    const [found] = await session`select pg_temp.allowed() as messages`;
    session.release();
    return found!.messages as [number, number];
  };

  it.for([
    ['job ids that are numbers', () => String(Math.floor(Math.random() * 1e9))] as const,
    ['job ids that are uuids', () => randomUUID() as string] as const,
  ])('with %s stay under 100 MB in realtime.messages', async ([, jobId], { annotate }) => {
    const each = await measure(jobId);
    const [hour, half] = await allowed();
    // A day's partition is dropped when its last message is 72 hours old, so that up to four days of them are there.
    const megabytes = (hours: number) => ((hour + 2 * half * (hours - 1)) * each) / 1e6;
    await annotate(
      `${Math.round(each)} bytes a message, ${hour} of them in the first hour and ${2 * half} in each after it: ` +
        `${megabytes(72).toFixed(0)} MB in 72 hours, ${megabytes(96).toFixed(0)} MB in four days`,
    );
    expect(megabytes(96)).toBeLessThan(100);
  });
});

it('a worker is idle since its last job, also where the job began and ended between two beats', async () => {
  const worker = new Process(db.sql, 'short-jobs');
  const start = Date.now();
  const at = (seconds: number) => new Date(start + seconds * 1000);
  const idleSince = async () => {
    const [row] =
      await db.sql`select status_updated_at from hp_worker_status where worker_name = 'short-jobs'`;
    return Math.round((row!.status_updated_at.getTime() - start) / 1000);
  };
  await worker.send({ jobs_total: 0, status_age_ms: 0 }, at(0));
  await worker.send({ jobs_total: 0, status_age_ms: 0 }, at(1));
  await worker.send({ jobs_total: 9, status_age_ms: 2_000 }, at(41)); // a beat that takes the narrow way
  expect(await idleSince()).toBe(39);
  await worker.send(
    { jobs_total: 10, status_age_ms: 1_000, last_error: 'no such page', errors_total: 1 },
    at(60),
  );
  expect(await idleSince()).toBe(59);
  await worker.send({ jobs_total: 10, errors_total: 1, status_age_ms: 5_000 }, at(70)); // nothing was done meanwhile
  expect(await idleSince()).toBe(59);
});
