import { expect, it } from 'vitest';
import { until } from '../../support/until.ts';
import { patience } from './length.ts';
import { restartable } from './restartable.ts';
import { createWorld, unharmed, workOn } from './world.ts';

it(
  'PostgreSQL that is restarted under load, and then loses a backend to kill -9, costs no count and accuses nobody',
  { timeout: patience(30) },
  async () => {
    await using postgres = await restartable();
    await using world = await createWorld({ stack: postgres.stack, pace: 'hosted' });
    const { sql } = world;
    // 54 workers that do some hundred jobs a second.
    const swarm = ['bees', 'ants'].map((name) => world.start(name, { env: { COUNT: '25', JOB_MS: '200' } }));
    const busy = ['ada', 'brook', 'cleo', 'drew'].map((name) => world.start(name, { env: { JOB_MS: '10' } }));
    const everybody = [...swarm, ...busy];
    const heard = () =>
      until(
        async () => {
          const alive = await sql`
            select from public.hp_worker_status
            where status = 'processing' and last_heartbeat > now() - interval '3 seconds'`;
          return alive.length === 54;
        },
        { timeout: 20_000, what: 'all of them alive' },
      );
    const page = await world.page();
    await heard();

    // Longer than a lease of 5 s, and shorter than the 15 s without a tick for which it would forgive them by itself.
    await unharmed(everybody, 30, () => postgres.restart(7_000));
    await heard();

    const [backend] = await sql`
      select pid from pg_stat_activity where application_name = 'lastseen-data-api' limit 1`;
    await unharmed(everybody, 5, () => postgres.crash(backend!.pid as number));
    await heard();
    await workOn(busy, 50);

    await world.end(...everybody);
    for (const { name } of busy) await world.exact(name);
    for (const { name } of swarm) {
      for (let n = 1; n <= 25; n++) await world.exact(`${name}-${n}`);
    }
    expect(await world.crashed()).toEqual([]);
    await page.agrees(sql);
    expect(page.accused).toEqual([]);
  },
);
