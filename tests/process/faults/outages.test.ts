import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { until } from '../../support/until.ts';
import { wireTo } from '../../support/wire.ts';
import { OUTAGE_S, patience, TICKLESS_S } from './length.ts';
import { createWorld, unharmed, workOn } from './world.ts';

const NAMES = ['ada', 'brook', 'cleo'];
/** A job takes 50 ms; of a machine that is busy with other tests a quarter of that pace is asked. */
const jobsIn = (seconds: number) => seconds * 5;

// They wait more than they work, so they wait together.
describe.concurrent('a fleet goes on, is accused of nothing and loses no count', () => {
  it('when the whole stack is away', { timeout: patience(OUTAGE_S) }, async () => {
    await using world = await createWorld();
    const workers = NAMES.map((name) => world.start(name));
    const page = await world.page();
    await world.alive(...workers);

    await unharmed(workers, jobsIn(OUTAGE_S), () => world.without(() => sleep(OUTAGE_S * 1000)));
    await world.alive(...workers);
    await workOn(workers, 60);
    await world.end(...workers);

    for (const name of NAMES) await world.exact(name);
    expect(await world.crashed()).toEqual([]);
    await page.agrees(world.sql);
    expect(page.accused).toEqual([]);
    expect(page.connections).toContain('reconnecting');
  });

  it(
    'when the tick stands still, and a process that died meanwhile is found once it is back',
    { timeout: patience(TICKLESS_S) },
    async () => {
      await using world = await createWorld();
      const workers = NAMES.map((name) => world.start(name));
      const doomed = world.start('doomed');
      const page = await world.page();
      await world.alive(...workers, doomed);

      // Held by a session that does not let go, as by a tick that is stuck: beats and pages cannot run it either.
      const stuck = await world.sql.reserve();
      await stuck`select pg_advisory_lock(hashtext('hp_private.tick'))`;
      await unharmed(workers, jobsIn(TICKLESS_S), async () => {
        await doomed.end('SIGKILL');
        await sleep(TICKLESS_S * 1000);
      });
      const { now, tickAt } = page.state!.header;
      expect(now.getTime() - tickAt!.getTime()).toBeGreaterThan(TICKLESS_S * 900); // a red line on the page
      expect(await world.crashed()).toEqual([]);
      await stuck`select pg_advisory_unlock(hashtext('hp_private.tick'))`;
      stuck.release();

      // After such an outage of the watch a worker has 11 s to be heard again (patience(), in the migrations).
      const reason = expect.stringMatching(/^no heartbeat for/);
      await world.row('doomed', { status: 'crashed', status_reason: reason }, 30_000);
      expect(await world.crashed()).toEqual(['doomed']);
      await world.end(...workers);
      for (const name of NAMES) await world.exact(name);
      await page.agrees(world.sql);
      expect(page.accused).toEqual(['doomed']);
    },
  );

  it(
    'when nobody schedules the tick, for the beats themselves run it',
    { timeout: patience(30) },
    async () => {
      await using world = await createWorld({ pace: 'hosted', tickEvery: 0 });
      const workers = NAMES.map((name) => world.start(name));
      const doomed = world.start('doomed');
      const page = await world.page();
      await world.alive(...workers, doomed);
      await doomed.end('SIGKILL');
      // Beats run it when it is overdue, every 10 s, and it must find so short a lease run out twice.
      await world.row('doomed', { status: 'crashed' }, 45_000);
      await until(() => page.worker('doomed')?.status === 'crashed', { what: 'the page to know' });
      // While one of them beats, the page lives.
      const [last, ...others] = workers;
      await world.end(...others);
      for (const { name } of others) await world.exact(name);
      expect(await world.crashed()).toEqual(['doomed']);
      expect(page.accused).toEqual(['doomed']);
      expect(page.connection).toBe('live');
      await world.end(last!);
      await world.exact(last!.name);
    },
  );
});

describe.concurrent('a network that fails', () => {
  it.each(['cut', 'stall'] as const)(
    'for the fleet and the page at once (%s) is the fault of neither',
    { timeout: patience(30) },
    async (how) => {
      await using world = await createWorld();
      const wire = await wireTo(world.stack.url);
      await using _closing = { [Symbol.asyncDispose]: async () => wire.close() };
      const names = [...NAMES, 'drew', 'eli'];
      const workers = names.map((name) => world.start(name, { url: wire.url }));
      const page = await world.page(wire.url);
      await world.alive(...workers);

      // Longer than a lease of 5 s, and shorter than the three of them for which the guard speaks for a silent fleet.
      await unharmed(workers, jobsIn(11), async () => {
        wire[how]();
        await sleep(11_000);
        wire.restore();
      });
      await world.alive(...workers);
      await workOn(workers, 40);
      await world.end(...workers);
      for (const name of names) await world.exact(name);
      expect(await world.crashed()).toEqual([]);
      await page.agrees(world.sql);
      expect(page.accused).toEqual([]);
    },
  );
});
