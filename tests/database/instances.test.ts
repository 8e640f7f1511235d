import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

const start = Date.parse('2026-03-01T12:00:00Z');
const at = (seconds: number) => new Date(start + seconds * 1000);
const row = async (name: string) =>
  (await db.sql`select * from hp_worker_status where worker_name = ${name}`)[0]!;

describe('a second process under a name', () => {
  it('takes the row when it presents the epoch that it was given, not before', async () => {
    const old = new Process(db.sql, 'deploy');
    const young = new Process(db.sql, 'deploy');
    await old.send({ pid: 1 }, at(0));
    expect(await young.send({ pid: 2, status: 'starting' }, at(1))).toMatchObject({ current: false });
    expect(await row('deploy')).toMatchObject({ instance_id: old.instance, status: 'idle', pid: '1' });
    expect(await young.send({ pid: 2 }, at(1.1))).toMatchObject({ current: true });
    expect(await row('deploy')).toMatchObject({ instance_id: young.instance, pid: '2' });
  });

  it("is not marked stopped by the old one's late goodbye, and the old one's last jobs count", async () => {
    const old = new Process(db.sql, 'rolling');
    const young = new Process(db.sql, 'rolling');
    await old.send({ jobs_total: 10 }, at(0));
    await young.send({ jobs_total: 0 }, at(1));
    await young.send({ jobs_total: 2 }, at(1.1));
    const answer = await old.send({ status: 'stopped', jobs_total: 13, last_exit: { code: 0 } }, at(3));
    expect(answer).toMatchObject({ current: false, counted_jobs: 13 });
    expect(await row('rolling')).toMatchObject({
      instance_id: young.instance,
      status: 'idle',
      jobs_processed: '15',
    });
  });

  it('takes the row at once where the old one has said goodbye or its lease is over', async () => {
    const first = new Process(db.sql, 'restart');
    await first.send({}, at(0));
    await first.send({ status: 'stopped' }, at(1));
    const second = new Process(db.sql, 'restart');
    expect(await second.send({}, at(2))).toMatchObject({ current: true });
    const third = new Process(db.sql, 'restart');
    expect(await third.send({}, at(2 + 51))).toMatchObject({ current: true });
  });

  it('that is dead by the time its first beat arrives silences nobody', async () => {
    const ghost = new Process(db.sql, 'haunted');
    const late = ghost.next({ status: 'starting' });
    const live = new Process(db.sql, 'haunted');
    await live.send({}, at(0));
    await ghost.deliver(late, at(30));
    expect(await live.send({ status: 'processing' }, at(31))).toMatchObject({ current: true });
    expect(await row('haunted')).toMatchObject({ instance_id: live.instance, status: 'processing' });
  });

  it('beside a first that lives on for a minute is a name conflict, which ends when one of them does', async () => {
    const first = new Process(db.sql, 'twins');
    const second = new Process(db.sql, 'twins');
    await first.send({}, at(0));
    await second.send({}, at(1));
    await second.send({}, at(1.1));
    await first.send({}, at(10));
    expect((await row('twins')).name_conflict_since).toBeNull();
    await second.send({}, at(60));
    await first.send({}, at(62));
    expect((await row('twins')).name_conflict_since).toEqual(at(62));
    await first.send({ status: 'stopped' }, at(65));
    await db.sql`select hp_private.tick(${at(66)})`;
    expect((await row('twins')).name_conflict_since).toBeNull();
    const told =
      await db.sql`select to_value from hp_worker_event where worker_name = 'twins' and type = 'conflict' order by id`;
    expect(told.map((e) => e.to_value)).toEqual(['began', 'ended']);
  });

  it('is a name conflict too when a third one took the row from both of them', async () => {
    const [first, second, third] = [1, 2, 3].map(() => new Process(db.sql, 'triplets'));
    await first!.send({}, at(0));
    await second!.send({}, at(1)); // registers, and is overtaken before it confirms
    await third!.send({}, at(1.5));
    await third!.send({}, at(1.6));
    await first!.send({ status: 'stopped' }, at(2));
    await second!.send({}, at(3));
    expect((await row('triplets')).name_conflict_since).toBeNull();
    await third!.send({}, at(61));
    await second!.send({}, at(62));
    expect((await row('triplets')).name_conflict_since).toEqual(at(62));
  });

  it('gives the row back to the first when it ends before it', async () => {
    const first = new Process(db.sql, 'rollback');
    const second = new Process(db.sql, 'rollback');
    await first.send({ jobs_total: 5 }, at(0));
    await second.send({}, at(1));
    await second.send({ jobs_total: 1 }, at(1.1));
    await second.send({ status: 'crashed', status_reason: 'exit code 1', jobs_total: 2 }, at(5));
    expect(await first.send({ jobs_total: 6 }, at(10))).toMatchObject({ current: true });
    expect(await row('rollback')).toMatchObject({
      instance_id: first.instance,
      status: 'idle',
      jobs_processed: '8',
    });
  });

  it('may end before it is confirmed: its goodbye takes the row of one that was killed', async () => {
    await new Process(db.sql, 'hasty').send({}, at(0));
    const hasty = new Process(db.sql, 'hasty');
    expect(await hasty.send({ status: 'stopped' }, at(1))).toMatchObject({ current: false });
    expect(await hasty.send({ status: 'stopped' }, at(1.1))).toMatchObject({ current: true });
    expect(await row('hasty')).toMatchObject({ instance_id: hasty.instance, status: 'stopped' });
  });

  it('that lives on after its last words is heard like any other', async () => {
    const first = new Process(db.sql, 'undead');
    await first.send({}, at(0));
    const second = new Process(db.sql, 'undead');
    await second.send({}, at(1));
    await second.send({}, at(1.1));
    await first.send({ status: 'stopped' }, at(2));
    await first.send({}, at(3));
    await second.send({ status: 'stopped' }, at(4));
    expect(await first.send({}, at(5))).toMatchObject({ current: true });
    expect(await row('undead')).toMatchObject({ instance_id: first.instance, status: 'idle' });
  });

  it('that was killed before it heard an answer does not get the row when a later one has ended', async () => {
    const killed = new Process(db.sql, 'mute');
    const late = [killed.next(), killed.next()];
    await killed.deliver(late[0]!, at(0));
    const next = new Process(db.sql, 'mute');
    await next.send({}, at(1));
    await next.send({}, at(1.1));
    await next.send({ status: 'stopped' }, at(2));
    await killed.deliver(late[1]!, at(3));
    expect(await row('mute')).toMatchObject({ instance_id: next.instance, status: 'stopped' });
  });

  it('that has said goodbye does not get it back by a delayed beat', async () => {
    const gone = new Process(db.sql, 'departed');
    await gone.send({}, at(0));
    const delayed = gone.next({ status: 'processing' });
    await gone.send({ status: 'stopped' }, at(1));
    const next = new Process(db.sql, 'departed');
    await next.send({}, at(2));
    await next.send({ status: 'stopped' }, at(3));
    await gone.deliver(delayed, at(4));
    expect(await row('departed')).toMatchObject({ instance_id: next.instance, status: 'stopped' });
  });
});

describe('lifetime counts', () => {
  it('are the sum over instances, whatever is repeated or overtaken', async () => {
    const first = new Process(db.sql, 'counter');
    const beats = [1, 4, 4, 9].map((jobs_total) => first.next({ jobs_total, errors_total: jobs_total }));
    for (const made of [beats[0]!, beats[2]!, beats[1]!, beats[2]!, beats[3]!, beats[0]!])
      await first.deliver(made, at(0));
    const second = new Process(db.sql, 'counter');
    await second.send({ jobs_total: 3 }, at(1));
    await second.send({ jobs_total: 5 }, at(2));
    await first.deliver(beats[3]!, at(3));
    expect(await row('counter')).toMatchObject({ jobs_processed: '14', error_count: '9' });
  });

  it('credit an instance that the table has forgotten with only what it has not counted', async () => {
    const worker = new Process(db.sql, 'forgotten');
    await worker.send({ jobs_total: 10 }, at(0));
    await db.sql`update hp_worker_status set status = 'idle' where worker_name = 'forgotten'`;
    await new Process(db.sql, 'forgotten').send({}, at(60));
    await db.sql`delete from hp_worker_instance where instance_id = ${worker.instance}`;
    await worker.send({ jobs_total: 12, counted_jobs: 10 }, at(61));
    expect((await row('forgotten')).jobs_processed).toBe('12');
  });
});

it('an instance that presents itself under two names is refused', async () => {
  const worker = new Process(db.sql, 'one-name');
  await worker.send();
  const answer = await worker.deliver({ ...worker.next(), worker_name: 'another-name' });
  expect(answer).toMatchObject({ ok: false, error: { field: 'instance_id' } });
  expect(answer.error!.message).toContain('one-name');
});
