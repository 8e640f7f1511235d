import { describe, expect, it } from 'vitest';
import { Clock } from '../../../src/lib/time/clock.svelte.ts';
import { fakeTicker } from '../../support/ticker.ts';

const at = (ms: number) => new Date(1_800_000_000_000 + ms);

describe('the clock', () => {
  it('runs once a second until it is stopped', () => {
    const ticker = fakeTicker();
    const clock = new Clock(at(0), ticker);
    const stop = clock.start();
    ticker.advance(2_500);
    expect(clock.now).toBe(at(2_000).getTime());
    stop();
    ticker.advance(5_000);
    expect(clock.now).toBe(at(2_000).getTime());
  });

  it('uses the fastest message, because a message can only be late', () => {
    const ticker = fakeTicker();
    const clock = new Clock(at(0), ticker); // the page took 800 ms to get here
    ticker.advance(1_000);
    clock.observe(at(1_750)); // 50 ms under way
    ticker.advance(1_000);
    clock.observe(at(2_300)); // 500 ms under way
    expect(clock.read()).toBe(at(2_750).getTime());
  });

  it('forgets old measurements, because clocks may drift', () => {
    const ticker = fakeTicker();
    const clock = new Clock(at(0), ticker);
    clock.observe(at(60_000)); // the server's clock was wrong for a moment
    for (let message = 0; message < 20; message++) clock.observe(at(100));
    expect(clock.read()).toBe(at(100).getTime());
  });
});
