import { randomUUID } from 'node:crypto';
import type { Sql, TransactionSql } from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { beat, Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import type { PersonName } from '../support/people.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

interface Asked {
  id: number;
  state: string;
  status: string;
  message?: string;
  hint?: string;
  instance_id?: string;
  requested_by?: string;
  command?: string;
}

interface Wish {
  reason?: string | null;
  args?: object;
  instance?: string;
}

/** Asks as somebody of the cast does, and tells the HTTP status of the answer with it. */
const ask = async (who: PersonName | 'key', name: string, command: string, wish: Wish = {}) => {
  const request = async (sql: TransactionSql) => {
    const { reason = 'it hangs', args = {}, instance = null } = wish;
    const [row] = await sql`
      select hp_request_command(${name}, ${command}, ${reason}, ${sql.json(args as never)}, ${instance}) as answer`;
    const [response] = await sql`select current_setting('response.status', true) as status`;
    return { ...row!.answer, status: response!.status || '200' } as Asked;
  };
  return who === 'key' ? db.as('service_role', {}, request) : db.asPerson(who, request);
};

const command = async (id: number) => (await db.sql`select * from hp_worker_command where id = ${id}`)[0]!;
const later = (seconds: number) => new Date(Date.now() + seconds * 1000);
const tick = (at: Date) => db.sql`select hp_private.tick(${at})`;
const told = (process: Process, id: number, state: string, message?: string, fields = {}) =>
  process.send({ commands: [{ id, state, message }], ...fields });
const ids = (answer: { commands?: { id: number }[] }) => (answer.commands ?? []).map(({ id }) => id);

/** A worker whose process has beaten once. */
const alive = async (name: string, fields = {}, sql: Sql = db.sql) => {
  const process = new Process(sql, name);
  await process.send(fields);
  return process;
};

describe('a command', () => {
  it('comes with the answer to the next beat, with each until the worker speaks of it, and is followed to its end', async () => {
    const worker = await alive('obedient');
    const asked = await ask('bob', 'obedient', 'drain', { reason: ' deploying ' });
    expect(asked).toMatchObject({
      status: '200',
      state: 'requested',
      instance_id: worker.instance,
      requested_by: 'you',
    });
    const first = await worker.send();
    expect(first.commands).toEqual([{ id: asked.id, command: 'drain', args: {}, reason: 'deploying' }]);
    expect(ids(await worker.send())).toEqual([asked.id]);
    expect(await command(asked.id)).toMatchObject({ state: 'delivered', acknowledged_at: null });

    expect(await told(worker, asked.id, 'acknowledged')).not.toHaveProperty('commands');
    expect(await command(asked.id)).toMatchObject({ state: 'acknowledged', finished_at: null });
    await told(worker, asked.id, 'done', 'drained');
    await told(worker, asked.id, 'failed', 'too late to say otherwise');
    const done = await command(asked.id);
    expect(done).toMatchObject({ state: 'done', message: 'drained', expires_at: null });
    expect(done.finished_at).toBeInstanceOf(Date);
  });

  it('is for one process: neither a newer one nor another worker ever gets it', async () => {
    const old = await alive('one-process');
    const asked = await ask('bob', 'one-process', 'restart');
    const other = await alive('another');
    const next = new Process(db.sql, 'one-process');
    expect(ids(await next.send())).toEqual([]);
    const [impostor] = await beat(db.sql, [{ ...other.next(), instance_id: old.instance }]);
    expect(impostor).toMatchObject({ ok: false });
    expect(ids(await old.send())).toEqual([asked.id]);
    expect(ids(await next.send())).toEqual([]);
  });

  it('reaches a superseded process that lives on', async () => {
    const old = await alive('twice');
    const next = await alive('twice');
    await next.send();
    const asked = await ask('alice', 'twice', 'stop', { instance: old.instance });
    expect(ids(await next.send())).toEqual([]);
    expect(ids(await old.send())).toEqual([asked.id]);
    await told(old, asked.id, 'acknowledged');
    expect(await told(old, asked.id, 'done')).toMatchObject({ ok: true, current: false });
    expect((await command(asked.id)).state).toBe('acknowledged');
    await old.send({ status: 'stopped', status_reason: 'stop requested' });
    expect(await command(asked.id)).toMatchObject({ state: 'done' });
    expect((await db.sql`select status from hp_worker_status where worker_name = 'twice'`)[0]!.status).toBe(
      'idle',
    );
  });

  it('may be refused by the worker, in its words', async () => {
    const worker = await alive('unwilling');
    const asked = await ask('bob', 'unwilling', 'stop');
    await worker.send();
    await told(worker, asked.id, 'refused', 'the ledger is open');
    expect(await command(asked.id)).toMatchObject({ state: 'refused', message: 'the ledger is open' });
    expect(ids(await worker.send())).toEqual([]);
  });

  it('that nobody hears expires after 2 minutes, or 3 intervals, and is not delivered any more', async () => {
    const worker = await alive('deaf');
    const slow = await alive('slow', { heartbeat_interval_s: 600 });
    const asked = await ask('bob', 'deaf', 'beat');
    const patient = await ask('bob', 'slow', 'beat');
    expect(ids(await worker.send({}, later(130)))).toEqual([]);
    await tick(later(131));
    expect(await command(asked.id)).toMatchObject({
      state: 'expired',
      message: 'no beat fetched it within 2 minutes',
    });
    expect(ids(await slow.send({}, later(1799)))).toEqual([patient.id]);
  });

  it('that the worker says nothing of expires too; what it did all the same is written down', async () => {
    const worker = await alive('silent');
    const asked = await ask('bob', 'silent', 'beat');
    await worker.send();
    await worker.send({}, later(119));
    await tick(later(125));
    expect(await command(asked.id)).toMatchObject({
      state: 'expired',
      message: 'delivered, but the worker did not report on it',
    });
    await told(worker, asked.id, 'done');
    expect(await command(asked.id)).toMatchObject({ state: 'done', message: null });
  });

  it('wakes its process up by an empty message on a topic of its own', async () => {
    const worker = await alive('woken');
    await ask('bob', 'woken', 'beat');
    const messages = await db.sql`
      select event, private, payload - 'id' as payload from realtime.messages where topic = ${`hp:wake-up:${worker.instance}`}`;
    expect(messages).toEqual([{ event: 'wake-up', private: true, payload: {} }]);
  });

  it('for workers of a batch comes with the answer of its own worker', async () => {
    const workers = await Promise.all(['batch-a', 'batch-b', 'batch-c'].map((name) => alive(name)));
    const asked = await ask('key', 'batch-b', 'log_level', { args: { level: 'debug' } });
    const answers = await beat(db.sql, workers.map((worker) => worker.next()).reverse());
    expect(answers.map(({ worker_name }) => worker_name)).toEqual(['batch-c', 'batch-b', 'batch-a']);
    expect(answers.map((answer) => answer.commands)).toEqual([
      undefined,
      [{ id: asked.id, command: 'log_level', args: { level: 'debug' }, reason: 'it hangs' }],
      undefined,
    ]);
  });

  it('is read by a worker with a token for its name alone', async () => {
    const [row] = await db.sql`select hp_create_worker_token('commands', 'own-%') as made`;
    const withToken = <T>(work: (sql: TransactionSql) => Promise<T>) =>
      db.as('anon', {}, async (sql) => {
        const headers = JSON.stringify({ 'x-worker-token': row!.made.token });
        await sql`select set_config('request.headers', ${headers}, true)`;
        return work(sql);
      });
    const mine = await alive('own-1');
    const theirs = await alive('foreign-1');
    const [own, foreign] = [await ask('bob', 'own-1', 'beat'), await ask('bob', 'foreign-1', 'beat')];
    const answers = await withToken((sql) => beat(sql, [mine.next(), theirs.next()]));
    expect(answers[0]!.commands).toMatchObject([{ id: own.id }]);
    expect(answers[1]).toMatchObject({ ok: false });
    expect(answers[1]).not.toHaveProperty('commands');
    await withToken((sql) =>
      beat(sql, [
        mine.next({
          commands: [
            { id: own.id, state: 'done' },
            { id: foreign.id, state: 'done' },
          ],
        }),
      ]),
    );
    expect([(await command(own.id)).state, (await command(foreign.id)).state]).toEqual(['done', 'requested']);
  });

  it('to drain shows in the row of the worker for as long as it drains', async () => {
    const worker = await alive('drained');
    const shown = async () => {
      const [row] = await db.asPerson('carol', (sql) => sql`select hp_fleet() as fleet`);
      return row!.fleet.workers.find((w: { worker_name: string }) => w.worker_name === 'drained');
    };
    const before = await shown();
    expect(before).not.toHaveProperty('draining');
    await worker.send({ draining: true });
    const during = await shown();
    expect(during).toMatchObject({ draining: true });
    expect(during.revision).toBeGreaterThan(before.revision);
    await worker.send();
    expect(await shown()).not.toHaveProperty('draining');
    await worker.send({ draining: true });
    await worker.send({ draining: true, status: 'stopped' });
    expect(await shown()).not.toHaveProperty('draining');
  });

  it('whose report makes no sense costs the beat nothing', async () => {
    const worker = await alive('babbling');
    const foreign = await alive('foreign');
    const asked = await ask('bob', 'foreign', 'beat');
    await foreign.send();
    for (const commands of [
      'x',
      7,
      {},
      [null],
      [[]],
      [{ id: 'x', state: 'done' }],
      [{ id: 1e30, state: 'done' }],
      [{ id: asked.id }],
      [{ id: asked.id, state: 'expired' }],
      [{ id: -1, state: 'done' }],
    ])
      expect(await worker.send({ commands }), JSON.stringify(commands)).toMatchObject({
        ok: true,
        ignored: { field: expect.stringMatching(/^commands/) },
      });
    // Another worker's command.
    expect(await worker.send({ commands: [{ id: asked.id, state: 'done' }] })).not.toHaveProperty('ignored');
    expect((await command(asked.id)).state).toBe('delivered');
  });
});

it('beats with lines and reports, requests and ticks in any order never deadlock, and no command is lost', async () => {
  const workers = await Promise.all(Array.from({ length: 8 }, (_, n) => alive(`busy-${n}`)));
  const end = Date.now() + 1000;
  // On a busy machine it takes longer until there is something to see.
  const goesOn = () => Date.now() < end || asked.length <= 8;
  const asked: number[] = [];
  let line = 0;
  const shuffled = <T>(list: readonly T[]) =>
    list
      .map((item) => ({ item, at: Math.random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item);
  const given = new Map<number, number>();
  const reporting = async () => {
    while (goesOn()) {
      line += 1;
      const made = shuffled(workers).map((worker) => worker.next({ logs: [[line, 0, 'info', 'busy']] }));
      const heard = (await beat(db.sql, made)).flatMap((answer) => answer.commands ?? []);
      for (const { id } of heard) given.set(id, (given.get(id) ?? 0) + 1);
      const commands = heard.map(({ id }) => ({ id, state: 'done' }));
      await beat(
        db.sql,
        shuffled(workers).map((worker) => worker.next({ commands })),
      );
    }
  };
  const asking = async () => {
    while (goesOn())
      for (let n = 0; n < 8; n++) {
        const { id } = await ask('bob', `busy-${n}`, 'beat');
        if (id) asked.push(id);
      }
  };
  const ticking = async () => {
    while (goesOn()) await db.sql`select hp_tick()`;
  };
  await Promise.all([reporting(), reporting(), asking(), asking(), ticking()]);
  expect(asked.length).toBeGreaterThan(8);
  const open = await db.sql`
    select id from hp_worker_command where worker_name like 'busy-%' and state in ('requested', 'delivered')`;
  const last = await beat(
    db.sql,
    workers.map((worker) => worker.next()),
  );
  expect(last.flatMap(({ commands = [] }) => commands.map(({ id }) => id)).sort()).toEqual(
    open.map(({ id }) => Number(id)).sort(),
  );
  for (const id of asked) expect(given.has(id) || open.some((row) => Number(row.id) === id)).toBe(true);
});

describe('a restart', () => {
  it('is done when a new process has the row, however the old one ended', async () => {
    const old = await alive('phoenix');
    const asked = await ask('bob', 'phoenix', 'restart');
    await old.send();
    await told(old, asked.id, 'done', 'draining');
    expect(await command(asked.id)).toMatchObject({ state: 'acknowledged', message: 'draining' });
    await old.send({ status: 'stopping' });
    await old.send({ status: 'stopped', last_exit: { code: 75 } });
    const between = await command(asked.id);
    expect(between).toMatchObject({
      state: 'acknowledged',
      message: 'the process has ended; waiting for a new one',
    });
    expect(between.instance_ended_at).toBeInstanceOf(Date);

    const next = await alive('phoenix');
    expect(await command(asked.id)).toMatchObject({ state: 'done', new_instance_id: next.instance });
  });

  it('has failed when none came in time, and says so', async () => {
    const worker = await alive('gone');
    const asked = await ask('bob', 'gone', 'restart');
    await worker.send();
    await told(worker, asked.id, 'acknowledged');
    await worker.send({ status: 'stopped' });
    await tick(later(100));
    expect((await command(asked.id)).state).toBe('acknowledged');
    await tick(later(123));
    expect(await command(asked.id)).toMatchObject({
      state: 'failed',
      message: 'the process ended 2 minutes ago, and no new one started',
    });
    await new Process(db.sql, 'gone').send({}, later(300));
    expect(await command(asked.id)).toMatchObject({
      state: 'done',
      message: 'a new process has started, 5 minutes after the old one ended',
    });
  });

  it('of a process that is killed while it drains waits for the new one as well', async () => {
    const fresh = await createDatabase();
    const worker = await alive('killed', {}, fresh.sql);
    const state = async () => (await fresh.sql`select state, message from hp_worker_command`)[0];
    const [row] = await fresh.sql`select hp_request_command('killed', 'restart', 'it hangs') as asked`;
    await worker.send();
    await told(worker, row!.asked.id, 'acknowledged', undefined, { status: 'stopping' });
    for (const at of [10, 20, 30, 40, 49, 55]) await fresh.sql`select hp_private.tick(${later(at)})`;
    expect(await state()).toEqual({
      state: 'acknowledged',
      message: 'the process ended without an exit report; waiting for a new one',
    });
    await new Process(fresh.sql, 'killed').send({}, later(65));
    expect(await state()).toMatchObject({ state: 'done' });
    await fresh.drop();
  });

  it('is not done by an older process that has the row back', async () => {
    const older = await alive('back');
    const newer = await alive('back');
    await newer.send();
    await older.send();
    const asked = await ask('bob', 'back', 'restart');
    await newer.send();
    await told(newer, asked.id, 'acknowledged');
    await newer.send({ status: 'stopped' });
    expect(await older.send()).toMatchObject({ current: true });
    expect((await command(asked.id)).state).toBe('acknowledged');
  });

  it('that its process never heard of, for it ended first, says that', async () => {
    const worker = await alive('too-late');
    const asked = await ask('bob', 'too-late', 'restart');
    await worker.send({ status: 'stopped' });
    expect(await command(asked.id)).toMatchObject({
      state: 'expired',
      message: 'the process ended before it got the command',
    });
    expect(ids(await alive('too-late').then((next) => next.send()))).toEqual([]);
  });
});

describe('a try that is refused', () => {
  it('of a viewer is answered 403 and written down', async () => {
    const [as, message] = ['a viewer', 'only an operator or an owner may give commands'];
    await alive('guarded');
    expect(await ask('carol', 'guarded', 'restart')).toMatchObject({ status: '403', code: 'PT403', message });
    const [log] = await db.asPerson('bob', (sql) => sql`select hp_worker_commands('guarded') as log`);
    expect(log!.log.commands[0]).toMatchObject({
      command: 'restart',
      state: 'refused',
      requested_by: as,
      message,
    });
    expect(
      (
        await db.sql`select count(*)::int as n from hp_worker_command where worker_name = 'guarded' and state <> 'refused'`
      )[0]!.n,
    ).toBe(0);
  });

  it('of strangers is answered 403 and leaves a count, no text of theirs', async () => {
    await alive('coveted');
    const text = 'sign in at https://evil.example';
    const as = (call: string) => db.asPerson('mallory', (sql) => sql.unsafe(call));
    const message = 'only an operator or an owner may give commands';
    for (const command of ['restart', 'restart', text]) {
      expect(await ask('mallory', text, command, { reason: text, args: { text } })).toMatchObject({
        status: '403',
        message,
      });
    }
    await as(`select hp_pause(worker_name => '${text}', until => '2100-01-01', reason => '${text}')`);
    await as(`select hp_pause(worker_type => '${text}', until => '2100-01-01', reason => '${text}')`);
    await as(`select hp_mark_seen('${text}', '${text}')`);
    await as(`select hp_unpause('coveted', null, '${text}')`);
    const rows = await db.sql`select * from hp_worker_command where requested_as = 'stranger'`;
    expect(JSON.stringify(rows)).not.toMatch(/evil|coveted|2100/);
    expect(rows.map(({ command, tries, message: kept }) => [command, tries, kept])).toEqual([
      ['restart', 2, 'not a member'],
      ['unknown', 1, 'not a member'],
      ['pause', 2, 'not a member'],
      ['seen', 1, 'not a member'],
      ['unpause', 1, 'not a member'],
    ]);
    const [log] = await db.asPerson('carol', (sql) => sql`select hp_worker_commands(most => 500) as log`);
    expect(
      log!.log.commands.filter((one: { requested_by: string }) => one.requested_by === 'a stranger'),
    ).toHaveLength(5);
  });

  it('says what makes no sense, with its status', async () => {
    await alive('sense');
    const refusals = [
      [await ask('bob', 'sense', 'reboot'), '400', /command is reboot; it must be one of/],
      [await ask('bob', 'sense', 'pause'), '400', /command is pause/],
      [await ask('bob', 'sense', 'restart', { reason: '  ' }), '400', /reason is missing/],
      [await ask('bob', 'sense', 'restart', { reason: null }), '400', /reason is missing/],
      [await ask('bob', 'sense', 'restart', { reason: 'x'.repeat(501) }), '400', /501 characters long/],
      [await ask('bob', 'sense', 'restart', { args: { now: true } }), '400', /takes none/],
      [await ask('bob', 'sense', 'log_level', { args: { level: 'loud' } }), '400', /args must be/],
      [await ask('bob', 'sense', 'log_level', { args: {} }), '400', /args must be/],
      [await ask('bob', 'sense', 'beat', { args: ['level'] }), '400', /args must be an object/],
      [await ask('bob', 'sense', 'log_level', { args: 'level' as never }), '400', /args must be an object/],
      [await ask('bob', 'nobody', 'restart'), '404', /no worker named nobody/],
      [await ask('bob', 'sense', 'restart', { instance: randomUUID() }), '409', /belongs to another worker/],
    ] as const;
    for (const [answer, status, message] of refusals) {
      expect(answer).toMatchObject({ status });
      expect(answer.message).toMatch(message);
    }
    const [row] = await db.sql`
      select count(*)::int as n from hp_worker_command where worker_name in ('sense', 'nobody') and state = 'refused'`;
    expect(row!.n).toBe(refusals.length - 2); // of two there is the same try again
  });

  it('is for a process that is gone, with the hint of its group', async () => {
    await db.sql`insert into hp_worker_group (worker_type, restart_hint) values ('hinted', 'systemctl restart {worker_name}')`;
    const worker = await alive('ended', { worker_type: 'hinted' });
    await worker.send({ status: 'stopped' });
    expect(await ask('bob', 'ended', 'restart')).toMatchObject({
      status: '409',
      message: 'no process of this worker is alive',
      hint: 'systemctl restart ended',
    });
    await db.sql`insert into hp_worker_status (worker_name, status) values ('by-hand', 'idle')`;
    expect((await ask('bob', 'by-hand', 'restart')).message).toMatch(/writes to the table directly/);
    const run = new Process(db.sql, 'nightly', { kind: 'scheduled' });
    await run.send({ status: 'idle', next_run_in_ms: 3_600_000 });
    expect(await ask('bob', 'nightly', 'beat')).toMatchObject({ state: 'requested' });
    await run.send({ status: 'stopped', next_run_in_ms: 3_600_000 });
    expect((await ask('bob', 'nightly', 'stop')).message).toBe('no process of this worker is running now');
  });

  it('is the same thing once more while it is under way', async () => {
    const worker = await alive('impatient');
    const asked = await ask('bob', 'impatient', 'restart');
    expect(await ask('alice', 'impatient', 'restart')).toMatchObject({ status: '409' });
    expect((await ask('alice', 'impatient', 'drain')).message).toMatch(
      /restart was requested at .* and is under way/,
    );
    expect(await ask('alice', 'impatient', 'beat')).toMatchObject({ state: 'requested' });
    await worker.send();
    await told(worker, asked.id, 'failed', 'no supervisor');
    expect(await ask('alice', 'impatient', 'restart')).toMatchObject({ state: 'requested' });
  });

  it('is counted, not kept, when there is a flood of them', async () => {
    const before = (await db.sql`select count(*)::int as n from hp_worker_command`)[0]!.n;
    for (let n = 0; n < 60; n++) await ask('carol', `flood-${n % 40}`, 'restart');
    const rows = await db.sql`
      select tries from hp_worker_command where requested_as = 'viewer' and worker_name like 'flood-%'`;
    expect(
      (await db.sql`select count(*)::int as n from hp_worker_command`)[0]!.n - before,
    ).toBeLessThanOrEqual(20);
    expect(rows.reduce((sum, { tries }) => sum + tries, 0)).toBeGreaterThanOrEqual(60);
  });
});

describe('the audit log', () => {
  it('shows addresses to owners alone, newest first, page by page', async () => {
    await alive('audited');
    for (const command of ['beat', 'breaker_trip', 'breaker_reset']) await ask('bob', 'audited', command);
    await ask('key', 'audited', 'drain');
    const log = async (who: PersonName, before: number | null = null, most = 2) =>
      (
        await db.asPerson(
          who,
          (sql) => sql`select hp_worker_commands('audited', null, ${before}, ${most}) as log`,
        )
      )[0]!.log;
    const newest = await log('carol');
    expect(newest.commands.map((c: Asked) => [c.command, c.requested_by])).toEqual([
      ['drain', 'the secret key'],
      ['breaker_reset', 'an operator'],
    ]);
    expect(newest.more).toBe(true);
    const rest = await log('alice', newest.commands[1].id);
    expect(rest.commands.map((c: Asked) => [c.command, c.requested_by])).toEqual([
      ['breaker_trip', 'bob@example.com'],
      ['beat', 'bob@example.com'],
    ]);
    expect(rest.more).toBe(false);
    expect((await log('bob', null, 500)).commands.at(-1).requested_by).toBe('you');
    expect(JSON.stringify(await log('carol', null, 500))).not.toMatch(/@|requested_by_id/);
    await expect(log('mallory')).rejects.toMatchObject({ code: 'PT403' });
  });

  it('hides from members by which account a command was asked', async () => {
    await expect(
      db.asPerson('carol', (sql) => sql`select requested_by from hp_worker_command`),
    ).rejects.toMatchObject({ code: '42501' });
    await expect(
      db.asPerson('alice', (sql) => sql`update hp_worker_command set state = 'done'`),
    ).rejects.toMatchObject({ code: '42501' });
  });

  it('is kept for a year', async () => {
    await alive('kept');
    const old = await ask('bob', 'kept', 'restart', { reason: '' });
    const young = await ask('bob', 'kept', 'reboot');
    await db.sql`update hp_worker_command set requested_at = now() - interval '366 days' where message like 'reason is%' and worker_name = 'kept'`;
    await db.sql`update hp_private.monitor set pruned_at = null`;
    await tick(later(0));
    expect([old.status, young.status]).toEqual(['400', '400']);
    expect(await db.sql`select command from hp_worker_command where worker_name = 'kept'`).toMatchObject([
      { command: 'reboot' },
    ]);
  });
});
