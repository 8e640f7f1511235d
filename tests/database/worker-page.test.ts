import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
  for (const name of ['crawl-1', 'crawl-2', 'mail'])
    await new Process(db.sql, name, { worker_type: name.split('-')[0]! }).send({});
});
afterAll(() => db.drop());

interface Page {
  header: { workers: number; revision: number };
  workers: { worker_name: string }[];
  groups: unknown[];
  details: { beside: string[]; group: { workers: number }; instances: unknown[]; metadata: unknown } | null;
}
const page = async (name: string): Promise<Page> =>
  (await db.asPerson('carol', (sql) => sql`select hp_worker_page(${name}) as page`))[0]!.page;
const reasons = async (query: string) =>
  (await db.asPerson('carol', (sql) => sql.unsafe(query))).map(({ reason }) => reason as string);

describe('hp_worker_page', () => {
  it('tells of one worker and those of its group, under the header of the whole fleet', async () => {
    const { header, workers, details } = await page('crawl-2');
    expect(workers.map(({ worker_name }) => worker_name)).toEqual(['crawl-1', 'crawl-2']);
    expect(details).toMatchObject({ group: { workers: 2 }, instances: [expect.anything()] });
    const [all] = await db.asPerson('carol', (sql) => sql`select hp_fleet() -> 'header' as header`);
    expect(header).toMatchObject({ workers: all!.header.workers, revision: all!.header.revision });
  });

  it('counts what a process has done that ended without an exit report', async () => {
    const process = new Process(db.sql, 'killed');
    await process.send({});
    await process.send({ jobs_total: 39, errors_total: 2 });
    const [row] = await db.sql`select last_heartbeat from hp_worker_status where worker_name = 'killed'`;
    const [instance] = (await page('killed')).details!.instances as Record<string, unknown>[];
    expect(instance).toMatchObject({ counted_jobs: 39, counted_errors: 2 });
    expect(new Date(instance!.last_heartbeat as string)).toEqual(row!.last_heartbeat);
  });

  it('names the others that live in the same process, and none that has left it', async () => {
    for (const letter of ['a', 'b', 'c', 'd'])
      await new Process(db.sql, `twin-${letter}`, { hostname: 'vps', pid: 71 }).send({
        status: letter === 'd' ? 'stopped' : 'idle',
      });
    await new Process(db.sql, 'elsewhere', { hostname: 'other', pid: 71 }).send({});
    expect((await page('twin-a')).details!.beside).toEqual(['twin-b', 'twin-c']);
    expect((await page('crawl-1')).details!.beside).toEqual([]);
  });

  it('returns empty lists for an unknown worker', async () => {
    expect(await page('nobody')).toMatchObject({ workers: [], groups: [], details: null });
  });

  it('is refused to a stranger, and so are events', async () => {
    for (const call of ["hp_worker_page('crawl-1')", "hp_worker_events('crawl-1')"])
      await expect(db.asPerson('mallory', (sql) => sql.unsafe(`select ${call}`))).rejects.toMatchObject({
        code: 'PT403',
      });
  });
});

describe('hp_worker_events', () => {
  it('goes back event by event, also through those of one instant, with the watch’s among them', async () => {
    await db.sql`
      insert into hp_worker_event (worker_name, at, type, reason) values
        ('crawl-1', '2026-01-01 10:00:00.000001Z', 'status', 'first'),
        ('crawl-1', '2026-01-01 10:00:00.000002Z', 'status', 'second'),
        ('crawl-1', '2026-01-01 10:00:00.000002Z', 'breaker', 'third'),
        (null, '2026-01-01 11:00:00Z', 'monitor', 'ours'),
        ('crawl-2', '2026-01-01 12:00:00Z', 'status', 'another’s')`;
    const from = (before: string, id: string, rest = '') =>
      reasons(
        `select reason from hp_worker_events('crawl-1', ${before}, ${id}${rest}) where at < '2026-02-01'`,
      );
    expect(await from("'2026-02-01'", 'null')).toEqual(['ours', 'third', 'second', 'first']);
    const [third] = await db.sql`select id from hp_worker_event where reason = 'third'`;
    expect(await from("'2026-01-01 10:00:00.000002Z'", String(third!.id))).toEqual(['second', 'first']);
    expect(await from("'2026-02-01'", 'null', ", '{status}'")).toEqual(['second', 'first']);
    expect(await from("'2026-02-01'", 'null', ', null, 1')).toEqual(['ours']);
  });
});
