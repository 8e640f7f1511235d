import { totalmem } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { createFleet, type TestFleet } from './fixtures/fleet.ts';

let fleet: TestFleet;
beforeEach(async () => void (fleet = await createFleet()));
afterEach(() => fleet.end());

const start = (env: Record<string, string> = {}) => fleet.start('strained', { env });
type Telemetry = Record<
  | 'cpu_percent'
  | 'memory_percent'
  | 'memory_rss_bytes'
  | 'event_loop_lag_ms'
  | 'event_loop_blocked_ms'
  | 'uptime_ms',
  number
> & { metadata?: { cpu_ms: number } };
/** The first beat of which this holds, but for the very first, which is still of the start. */
const beat = (condition: (beat: Telemetry) => boolean) =>
  until(() => (fleet.recorder.beats().slice(1) as unknown as Telemetry[]).find(condition), {
    timeout: 40_000,
  });

describe('CPU', () => {
  it('is near nothing while the worker has nothing to do', async () => {
    start();
    await beat(({ cpu_percent }) => cpu_percent < 10);
  });

  it('is in percent of one core', async () => {
    start({ HOW: 'cpu' }); // wants 40 ms in 100, and says with each beat what the machine granted it
    const { cpu_percent, uptime_ms, metadata } = await beat(({ cpu_percent }) => cpu_percent > 10);
    const before = (fleet.recorder.beats() as unknown as Telemetry[]).findLast(
      (one) => one.uptime_ms < uptime_ms,
    )!;
    const spentMs = metadata!.cpu_ms - before.metadata!.cpu_ms;
    expect(Math.abs(cpu_percent - (spentMs / (uptime_ms - before.uptime_ms)) * 100)).toBeLessThan(5);
  });
});

describe('memory', () => {
  it('is in percent of the container’s limit', async () => {
    start({ LIMIT_MB: '200' });
    const found = await beat(({ memory_percent }) => memory_percent > 0);
    expect(found.memory_percent).toBeCloseTo((found.memory_rss_bytes / (200 * 1024 ** 2)) * 100, 0);
  });

  it.each([
    ['there is no limit', { HOW: 'unlimited' }],
    ['the limit is none, as a cgroup of the first kind says it', { LIMIT_MB: '8796093022208' }],
  ])('is in percent of the machine’s where %s', async (_, env) => {
    start(env as Record<string, string>);
    const found = await beat(({ memory_percent }) => memory_percent > 0);
    expect(found.memory_percent).toBeCloseTo((found.memory_rss_bytes / totalmem()) * 100, 0);
  });
});

describe('the event loop', () => {
  it('that now and then comes late is told as the 99th percentile of the interval', async () => {
    start({ HOW: 'lag' });
    const { event_loop_lag_ms } = await beat(({ event_loop_lag_ms }) => event_loop_lag_ms > 40);
    expect(event_loop_lag_ms).toBeLessThan(1_000);
  });

  it('that was blocked is told of by the first beat after it, and for how long', async () => {
    start({ HOW: 'block' });
    const found = await beat(({ event_loop_blocked_ms }) => event_loop_blocked_ms > 2_000);
    expect(found.event_loop_blocked_ms).toBeGreaterThan(2_700);
    expect(found.event_loop_blocked_ms).toBeLessThan(6_000);
    const times = fleet.recorder.requests.map(({ at }) => at);
    const n = fleet.recorder.beats().indexOf(found as never);
    expect(times[n]! - times[n - 1]!).toBeGreaterThan(2_000); // nothing had come between
  });
});

it('tells how long the process has been up, whatever its clock says', async () => {
  const began = performance.now();
  start();
  const found = await beat(() => true);
  const age = performance.now() - began;
  expect(found.uptime_ms).toBeGreaterThan(500);
  expect(found.uptime_ms).toBeLessThan(age);
});
