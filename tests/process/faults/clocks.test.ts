import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { until } from '../../support/until.ts';
import { createWorld, unharmed, workOn } from './world.ts';

const shiftClock = fileURLToPath(new URL('./fixtures/shift-clock.mjs', import.meta.url));
const HOUR_MS = 3_600_000;

describe.concurrent('a worker', () => {
  it('whose clock is an hour off, ahead or behind, or jumps meanwhile, is as alive as any other', async () => {
    await using world = await createWorld();
    const page = await world.page();
    const shifted = { ahead: HOUR_MS, behind: -HOUR_MS, jumping: 0 };
    const workers = Object.entries(shifted).map(([name, shift]) =>
      world.start(name, {
        nodeOptions: ['--import', shiftClock],
        env: {
          CLOCK_SHIFT_MS: String(shift),
          NEXT_RUN_MS: String(2 * HOUR_MS),
          FAULT: 'jump the clock',
          FAULT_MS: String(HOUR_MS),
        },
      }),
    );
    await world.alive(...workers);
    await workOn(workers, 30); // some of them failed
    for (const [name, shift] of Object.entries(shifted)) {
      const row = await world.row(name, { status: 'processing', last_error: 'as arranged' });
      const [{ now } = {}] = await world.sql`select now() as now`;
      const secondsFrom = (time: Date) => Math.abs(time.getTime() - (now as Date).getTime()) / 1000;
      expect(Math.abs(row.clock_skew_ms - shift)).toBeLessThan(3_000);
      for (const time of [row.last_heartbeat, row.status_since, row.status_updated_at, row.last_error_at])
        expect(secondsFrom(time)).toBeLessThan(20);
      expect(secondsFrom(row.started_at)).toBeLessThan(30);
      expect(Math.abs(secondsFrom(row.next_run_at) - (2 * HOUR_MS) / 1000)).toBeLessThan(30);
    }

    const [, , jumping] = workers;
    await unharmed(workers, 60, async () => {
      jumping!.child.kill('SIGHUP');
      await until(async () => {
        const [row] =
          await world.sql`select clock_skew_ms from public.hp_worker_status where worker_name = 'jumping'`;
        return row!.clock_skew_ms > HOUR_MS - 3_000;
      });
      await workOn(workers, 60);
    });
    await world.alive(...workers);
    await world.end(...workers);
    for (const name of Object.keys(shifted)) await world.exact(name);
    expect(await world.crashed()).toEqual([]);
    await page.agrees(world.sql);
    expect(page.accused).toEqual([]);
  });

  it('whose event loop is blocked for 10 s says so when it is back, and was not given up if its lease is longer', async () => {
    await using world = await createWorld();
    const page = await world.page();
    // Leases of 15 and of 5 seconds.
    const start = (name: string, INTERVAL: string) =>
      world.start(name, { env: { INTERVAL, FAULT: 'block', FAULT_MS: '10000' } });
    const [patient, hasty] = [start('patient', '3'), start('hasty', '1')];
    await world.alive(patient, hasty);
    await workOn([patient, hasty], 20);

    for (const { child } of [patient, hasty]) child.kill('SIGHUP');
    await Promise.all([patient, hasty].map((worker) => worker.wrote('unblocked', 20_000)));
    await world.alive(patient, hasty);
    for (const name of ['patient', 'hasty']) {
      // The beat that tells it is the first one after; the page has it with the next message.
      await until(() => (page.worker(name)?.eventLoopBlockedMs ?? 0) >= 9_500, { what: `${name} to say it` });
    }

    await workOn([patient, hasty], 20);
    await world.end(patient, hasty);
    for (const name of ['patient', 'hasty']) await world.exact(name);
    expect(await world.history('patient')).toEqual(['alive', 'stopped']);
    // So short a lease may well have ended while it was blocked; it was back with its next beat.
    expect((await world.history('hasty')).slice(-2)).toEqual(['alive', 'stopped']);
    await page.agrees(world.sql);
    expect(page.accused).toEqual(await world.crashed());
  });
});
