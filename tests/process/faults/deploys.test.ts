import { describe, expect, it } from 'vitest';
import { until } from '../../support/until.ts';
import { patience } from './length.ts';
import { createWorld, workOn, type FaultWorker } from './world.ts';

interface Counted {
  name: string;
  instance: string;
  pid: number;
  status: string;
  jobs: number;
  counted: number;
}

describe.concurrent('a deploy', () => {
  it('that replaces five workers one after the other, old and new side by side for a moment, is no event for anybody', async () => {
    await using world = await createWorld();
    const names = ['ada', 'brook', 'cleo', 'drew', 'eli'];
    const page = await world.page();
    const old = names.map((name) => world.start(name));
    await world.alive(...old);
    await workOn(old, 20);

    const next: FaultWorker[] = [];
    for (const leaving of old) {
      const coming = world.start(leaving.name);
      next.push(coming);
      await world.alive(coming);
      expect(await leaving.end('SIGTERM')).toMatchObject({ signal: 'SIGTERM' });
    }
    await workOn(next, 40);
    await world.alive(...next);
    await world.end(...next);

    for (const name of names) {
      await world.exact(name);
      const history = await world.history(name);
      expect(history.filter((status) => status === 'stopped')).toHaveLength(1); // at the very end
      expect(history.slice(-2)).toEqual(['alive', 'stopped']);
    }
    const conflicts = await world.sql`select from public.hp_worker_event where type = 'conflict'`;
    expect(conflicts).toHaveLength(0);
    expect(await world.crashed()).toEqual([]);
    await page.agrees(world.sql);
    expect(page.accused).toEqual([]);
    expect(page.connections).toEqual(['connecting', 'live']);
  });

  it(
    'of 200 workers at once, by SIGTERM and then by kill -9, loses no worker and no count that was told',
    { timeout: patience(150) },
    async () => {
      await using world = await createWorld();
      const page = await world.page();
      const hosts = Array.from({ length: 8 }, (_, n) => `host${n + 1}`);
      // Eight processes of 25 workers each: 200 of their own would only measure how long two cores take to start Node.
      const launch = (name: string) =>
        world.start(name, { env: { COUNT: '25', JOB_MS: '1000', INTERVAL: '3' } });
      const heldBy = (some: FaultWorker[]) =>
        until(
          async () => {
            const pids = some.map(({ pid }) => pid);
            const alive = await world.sql`
              select from public.hp_worker_status where pid = any (${pids}) and status = 'processing'`;
            return alive.length === 200;
          },
          { timeout: 120_000, what: '200 workers alive by their new processes' },
        );

      /** What is counted of each process of each worker, and of the worker. */
      const count = () => world.sql<Counted[]>`
        select w.worker_name as name, i.instance_id as instance, i.pid::int, w.status, w.jobs_processed::int as jobs,
          case when i.instance_id = w.instance_id then w.counted_jobs else i.counted_jobs end::int as counted
        from public.hp_worker_status w join public.hp_worker_instance i using (worker_name)`;

      const first = hosts.map(launch);
      await heldBy(first);
      await workOn(first, 50);
      // As a supervisor does: the next one starts when the last one has gone, all of them at once.
      const replace = (some: FaultWorker[], signal: NodeJS.Signals) =>
        Promise.all(some.map(async (one) => (await one.end(signal), launch(one.name))));
      const second = await replace(first, 'SIGTERM');
      await heldBy(second);
      await workOn(second, 50);
      const told = await count();
      const third = await replace(second, 'SIGKILL');
      await heldBy(third);
      await workOn(third, 50);
      await world.end(...third);

      const rows = await count();
      expect(rows).toHaveLength(3 * 200);
      for (const { name, instance, pid, status, jobs, counted } of rows) {
        const { done } = [...first, ...second, ...third].find((worker) => worker.pid === pid)!.ledger(name);
        expect(status).toBe('stopped');
        // What was killed could not tell the last of it; the others have told everything.
        const least = second.some((worker) => worker.pid === pid)
          ? told.find((row) => row.instance === instance)!.counted
          : done;
        expect(counted).toBeGreaterThanOrEqual(least);
        expect(counted).toBeLessThanOrEqual(done);
        const all = rows.filter((row) => row.name === name);
        expect(jobs).toBe(all.reduce((sum, row) => sum + row.counted, 0));
      }
      expect(await world.crashed()).toEqual([]);
      await page.agrees(world.sql);
      expect(page.accused).toEqual([]);
    },
  );
});
