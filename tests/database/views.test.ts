import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
  await db.sql`truncate hp_worker_status, hp_worker_group cascade`;
  await db.sql`select hp_tick()`;
  const crawler = new Process(db.sql, 'crawl-1', { worker_type: 'crawl' });
  await crawler.send({ status: 'starting', hostname: 'vps-1' });
  await crawler.send({ status: 'processing', current_status: 'Crawling', jobs_total: 40, errors_total: 2 });
  const broken = new Process(db.sql, 'crawl-2', { worker_type: 'crawl' });
  await broken.send({
    status: 'idle',
    jobs_total: 10,
    errors_total: 10,
    circuit_breaker_state: 'open',
    circuit_breaker_reason: '503',
  });
  const gone = new Process(db.sql, 'mail', { worker_type: 'mail' });
  await gone.send();
  await gone.send({ status: 'crashed', status_reason: 'out of memory' });
  const paused = new Process(db.sql, 'resting', { worker_type: 'mail' });
  await paused.send({ status: 'crashed' });
  await db.sql`update hp_worker_status set paused_until = now() + interval '1 hour' where worker_name = 'resting'`;
  await new Process(db.sql, 'silent').send({ status: 'processing' });
  await db.sql`update hp_private.monitor set watching_since = now() - interval '1 hour'`;
  await db.sql.begin(async (sql) => {
    await sql`set local application_name = 'lastseen own write'`;
    await sql`update hp_worker_status set last_heartbeat = now() - interval '2 minutes',
      lease_expires_at = now() - interval '70 seconds' where worker_name = 'silent'`;
  });
  await db.sql`insert into hp_worker_group (worker_type, desired, minimum, restart_hint)
    values ('mail', 2, 1, 'pm2 restart mail')`;
  const replica = new Process(db.sql, 'crawl@vps-2:77', { worker_type: 'crawl', expected: false });
  await replica.send();
  await replica.send({ status: 'stopped' });
  await db.sql`update hp_worker_status set status_since = now() - interval '2 hours' where worker_name = 'crawl@vps-2:77'`;
  const holder = new Process(db.sql, 'holder');
  await holder.send();
  await db.sql`select hp_claim_lease(key => 'feed-7', worker_name => 'holder', instance_id => ${holder.instance})`;
});
afterAll(() => db.drop());

const folder = join(import.meta.dirname, '../../supabase/snippets');
const snippet = (name: string) => db.sql.unsafe(readFileSync(join(folder, `${name}.sql`), 'utf8'));

describe('the views for people', () => {
  it('tell who is active, how, and how long ago each was heard', async () => {
    const rows = await db.asPerson(
      'carol',
      (sql) => sql`select * from hp_active_workers order by worker_name`,
    );
    expect(rows.map((row) => row.worker_name)).toEqual(['crawl-1', 'crawl-2', 'holder']);
    expect(rows[0]).toMatchObject({ level: 'healthy', current_status: 'Crawling', hostname: 'vps-1' });
    expect(rows[1]).toMatchObject({ level: 'critical', reason: '503' });
    expect(Number(rows[0]!.seconds_since_heartbeat)).toBeLessThan(30);
  });

  it('tell who is dead, found by the tick or not yet, and leave out who is paused', async () => {
    const rows = await db.asPerson('carol', (sql) => sql`select * from hp_dead_workers order by worker_name`);
    expect(rows.map((row) => row.worker_name)).toEqual(['mail', 'silent']);
    expect(rows[0]).toMatchObject({ reason: 'out of memory', restart_hint: 'pm2 restart mail' });
    expect(rows[1]).toMatchObject({ reason: 'no heartbeat for 2 minutes' });
    expect(Number(rows[1]!.seconds_since_heartbeat)).toBeGreaterThanOrEqual(120);
    expect(Date.now() - rows[1]!.dead_since.getTime()).toBeGreaterThanOrEqual(69_000);
  });

  it('accuse nobody while the watch is impaired', async () => {
    const rows = await db.sql
      .begin(async (sql) => {
        await sql`update hp_private.monitor set impaired_since = now()`;
        const found = await sql`select worker_name from hp_dead_workers order by worker_name`;
        throw Object.assign(new Error('rolled back'), { found });
      })
      .catch((error: Error & { found: { worker_name: string }[] }) => error.found);
    expect(rows.map((row) => row.worker_name)).toEqual(['mail']);
  });

  it('know a group that is paused', async () => {
    const found = await db.sql
      .begin(async (sql) => {
        await sql`update hp_worker_group set paused_until = 'infinity', paused_reason = 'moving house' where worker_type = 'mail'`;
        await sql`insert into hp_worker_group (worker_type, paused_until) values ('crawl', 'infinity')`;
        throw Object.assign(new Error('rolled back'), {
          dead: await sql`select worker_name from hp_dead_workers`,
          active: await sql`select distinct level from hp_active_workers where worker_type = 'crawl'`,
          stats: await sql`select paused from hp_worker_stats where worker_type = 'mail'`,
        });
      })
      .catch(({ dead, active, stats }) => [dead, active, stats]);
    expect(found).toEqual([[{ worker_name: 'silent' }], [{ level: 'inactive' }], [{ paused: '2' }]]);
  });

  it('give the figures of each type', async () => {
    const rows = await db.asPerson('carol', (sql) => sql`select * from hp_worker_stats order by worker_type`);
    expect(rows[0]).toMatchObject({
      worker_type: 'crawl',
      workers: '3',
      alive: '2',
      critical: '1',
      jobs_processed: '50',
      error_count: '12',
      error_percent: '24.0',
    });
    expect(rows[1]).toMatchObject({ worker_type: 'mail', workers: '2', alive: '0', paused: '1', desired: 2 });
    expect(rows[2]).toMatchObject({ worker_type: null });
  });

  it.each(['hp_active_workers', 'hp_dead_workers', 'hp_worker_stats'])(
    '%s shows a stranger nothing, and is closed to somebody without a session',
    async (view) => {
      expect(await db.asPerson('mallory', (sql) => sql`select from ${sql(view)}`)).toHaveLength(0);
      await expect(db.as('anon', {}, (sql) => sql`select from ${sql(view)}`)).rejects.toMatchObject({
        code: '42501',
      });
      expect(
        (await db.as('service_role', {}, (sql) => sql`select * from ${sql(view)}`)).length,
      ).toBeGreaterThan(0);
    },
  );
});

describe('the snippets for the SQL editor', () => {
  const tells: Record<string, string[]> = {
    'who-is-active': ['crawl-1', 'crawl-2', 'holder'],
    'who-is-dead': ['mail', 'silent'],
    'stats-by-type': ['crawl', 'mail'],
    'last-hour': ['(monitor)', 'out of memory'],
    'last-commands': ['bob@example.com', 'a new disk', 'no process of this worker is alive', 'mail'],
    'open-breakers': ['crawl-2', '503'],
    'leases-held': ['feed-7', 'holder'],
    'clean-up': ['crawl@vps-2:77'],
  };

  it('are all here', () => {
    const names = readdirSync(folder).filter((file) => file.endsWith('.sql'));
    expect(names.map((file) => file.replace(/\.sql$/, '')).sort()).toEqual(Object.keys(tells).sort());
  });

  it.each(Object.entries(tells))('%s runs and tells of %s', async (name, expected) => {
    await db.sql`insert into hp_worker_event (at, type, to_value) values (now(), 'monitor', 'impaired')`;
    if (name === 'last-commands')
      await db.asPerson('bob', (sql) => sql`select hp_request_command('mail', 'restart', 'a new disk')`);
    const words = JSON.stringify(await snippet(name));
    for (const word of expected) expect(words).toContain(word);
  });
});
