import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { circuitBreaker, CircuitOpenError } from '../../workers-heartbeat/heartbeat-breaker.ts';
import { useHeartbeats } from './fixtures/heartbeat.ts';

const world = useHeartbeats();
const { start, beats, last } = world;

const fail = () => Promise.reject(new Error('no such page'));
const ignore = () => {};

describe('job', () => {
  it('is shown while it runs, and gone after', async () => {
    const heartbeat = start();
    let finish = ignore;
    const job = heartbeat.job(
      { id: 42, type: 'crawl', status: 'Crawling example.com' },
      () => new Promise<void>((done) => (finish = done)),
    );
    expect((await beats(1))[0]).toMatchObject({
      status: 'processing',
      jobs_active: 1,
      current_status: 'Crawling example.com',
      current_job_id: '42',
      current_job_type: 'crawl',
    });
    finish();
    await job;
    const beat = await last({ status: 'idle', jobs_active: 0, jobs_total: 1 });
    for (const field of ['current_status', 'current_job_id', 'current_job_type']) {
      expect(beat).not.toHaveProperty(field);
    }
  });

  it('begins at once and gives back what it returned', async () => {
    const heartbeat = start();
    let began = false;
    const job = heartbeat.job(() => {
      began = true;
      return { pages: 3 };
    });
    expect(began).toBe(true);
    expect(await job).toEqual({ pages: 3 });
  });

  it('rejects with the very error that it threw, and counts it, but the worker is not in error', async () => {
    const heartbeat = start();
    const error = new Error('no such page');
    const job = heartbeat.job({ id: 1 }, () => {
      throw error;
    });
    expect(await job.catch((caught) => caught)).toBe(error);
    await last({ status: 'idle', jobs_total: 0, errors_total: 1, last_error: 'no such page' });
  });

  it.each([[undefined], [null], ['text'], [{ message: 7 }]])('may throw %o', async (thrown) => {
    const heartbeat = start();
    expect(await heartbeat.job(() => Promise.reject(thrown)).catch((caught) => caught)).toBe(thrown);
    await last({ errors_total: 1 });
  });

  it('runs beside others; the latest is shown, then the one that is left', async () => {
    const heartbeat = start();
    const finish: (() => void)[] = [];
    const jobs = ['a', 'b'].map((id) =>
      heartbeat.job({ id }, () => new Promise<void>((done) => finish.push(done))),
    );
    await last({ jobs_active: 2, current_job_id: 'b' });
    finish[1]!();
    await last({ jobs_active: 1, current_job_id: 'a', jobs_total: 1 });
    finish[0]!();
    await Promise.all(jobs);
    await last({ jobs_active: 0, jobs_total: 2 });
  });

  it('says how it gets on by setStatus', async () => {
    const heartbeat = start();
    let finish = ignore;
    const job = heartbeat.job({ id: 'a', status: 'one' }, () => {
      heartbeat.setStatus('two');
      return new Promise<void>((done) => (finish = done));
    });
    await last({ current_status: 'two', current_job_id: 'a' });
    finish();
    await job;
    await last({ status: 'idle', jobs_active: 0 });
  });

  it('counts every one of a thousand in a burst, in a handful of beats', async () => {
    const heartbeat = start();
    await Promise.all(
      Array.from({ length: 1_000 }, (_, n) =>
        heartbeat.job({ id: n, status: `job ${n}` }, n % 10 ? async () => {} : fail).catch(ignore),
      ),
    );
    await last({ jobs_total: 900, errors_total: 100, jobs_active: 0 });
    expect(world.recorder.requests.length).toBeLessThan(5);
  });
});

describe('setStatus and idle', () => {
  it('say what a worker does that knows no jobs', async () => {
    const heartbeat = start();
    heartbeat.setStatus('Processing batch 3 of 5', { jobId: 'b-3', jobType: 'batch' });
    await last({
      status: 'processing',
      current_status: 'Processing batch 3 of 5',
      current_job_id: 'b-3',
      current_job_type: 'batch',
      jobs_active: 0,
    });
    heartbeat.idle();
    expect(await last({ status: 'idle' })).not.toHaveProperty('current_status');
  });

  it('say since when', async () => {
    const heartbeat = start({ interval: 1 });
    heartbeat.setStatus('long work');
    await until(() => Number(world.recorder.last()?.status_age_ms) > 1_800);
    heartbeat.setStatus('other work');
    await last({ current_status: 'other work' });
    expect(world.recorder.last()?.status_age_ms).toBeLessThan(1_500);
  });
});

describe('run', () => {
  it('reports the last run: its age, its duration, what it processed', async () => {
    const heartbeat = start();
    expect(await heartbeat.run(() => sleep(120, 12))).toBe(12);
    const beat = await last({ status: 'idle', processed_count: 12, last_run_errors: 0 });
    expect(beat.last_run_duration_ms).toBeGreaterThanOrEqual(115);
    expect(beat.last_run_age_ms).toBeLessThan(2_000);
  });

  it('counts its jobs when it returns no number', async () => {
    const heartbeat = start();
    await heartbeat.run(async () => {
      for (const work of [async () => {}, fail, async () => {}]) await heartbeat.job(work).catch(ignore);
    });
    await last({ processed_count: 2, last_run_errors: 1, jobs_total: 2, errors_total: 1, status: 'idle' });
  });

  it('that fails puts the worker in error, until one succeeds', async () => {
    const heartbeat = start();
    await expect(heartbeat.run(fail)).rejects.toThrow('no such page');
    await last({ status: 'error', errors_total: 1, last_run_errors: 1, last_error: 'no such page' });
    await heartbeat.job(async () => {}); // a good job is not a good run
    expect(world.recorder.last()?.status).toBe('error');
    await heartbeat.run(async () => 0);
    await last({ status: 'idle', processed_count: 0, last_run_errors: 0 });
  });

  it('that fails because a job in it did counts one error', async () => {
    const heartbeat = start();
    await heartbeat.run(() => heartbeat.job(fail)).catch(ignore);
    await last({ status: 'error', errors_total: 1, last_run_errors: 1 });
  });
});

describe('the circuit breaker', () => {
  it('opens after so many failures in a row, refuses, tries once, and closes', async () => {
    const heartbeat = start();
    const breaker = circuitBreaker(heartbeat, { threshold: 3, cooldown: 0.4 });
    for (let n = 0; n < 2; n++) await heartbeat.job(fail).catch(ignore);
    expect(breaker).toMatchObject({ state: 'closed', failures: 2 });
    await heartbeat.job(async () => {});
    expect(breaker.failures).toBe(0);
    for (let n = 0; n < 3; n++) await heartbeat.job(fail).catch(ignore);

    expect(breaker).toMatchObject({ state: 'open', failures: 3 });
    const open = await last({
      circuit_breaker_state: 'open',
      circuit_breaker_failures: 3,
      circuit_breaker_threshold: 3,
      circuit_breaker_reason: 'no such page',
      status: 'idle',
    });
    expect(open.circuit_breaker_retry_in_ms).toBeLessThanOrEqual(400);

    let called = false;
    const refused = await heartbeat.job(() => (called = true)).catch((error) => error);
    expect(refused).toBeInstanceOf(CircuitOpenError);
    expect(refused.retryAt.getTime()).toBeGreaterThan(Date.now());
    expect(called).toBe(false);

    await until(() => Date.now() > breaker.retryAt!.getTime());
    let finish = ignore;
    const trial = heartbeat.job(() => new Promise<void>((done) => (finish = done)));
    await last({ circuit_breaker_state: 'half_open' });
    await expect(heartbeat.job(async () => {})).rejects.toThrow(CircuitOpenError); // one trial at a time
    finish();
    await trial;
    expect(breaker).toMatchObject({ state: 'closed', failures: 0 });
    await last({ circuit_breaker_state: 'closed', errors_total: 5, jobs_total: 2 });
  });

  it('opens again when the trial fails', async () => {
    const heartbeat = start();
    const breaker = circuitBreaker(heartbeat, { threshold: 1, cooldown: 0.2 });
    await heartbeat.job(fail).catch(ignore);
    await until(() => Date.now() > breaker.retryAt!.getTime());
    await expect(heartbeat.job(fail)).rejects.toThrow('no such page');
    expect(breaker.state).toBe('open');
    expect(breaker.retryAt!.getTime()).toBeGreaterThan(Date.now());
  });

  it('is told the moment it opens and closes, though nobody looks', async () => {
    world.recorder.answer = {};
    const heartbeat = start();
    const breaker = circuitBreaker(heartbeat, { threshold: 1, cooldown: 0.1 });
    heartbeat.idle();
    await beats(1);
    const began = performance.now();
    await heartbeat.job(fail).catch(ignore);
    await last({ circuit_breaker_state: 'open' });
    await until(() => Date.now() > breaker.retryAt!.getTime());
    await heartbeat.job(async () => {});
    await last({ circuit_breaker_state: 'closed' });
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it('does not let a loop that goes straight on starve the process', async () => {
    const heartbeat = start();
    circuitBreaker(heartbeat, { threshold: 1, cooldown: 60 });
    await heartbeat.job(fail).catch(ignore);
    let going = true;
    const loop = (async () => {
      while (going) await heartbeat.job(async () => {}).catch(ignore);
    })();
    await sleep(50);
    going = false;
    await loop;
  });

  it.each([
    [{ threshold: 0 }, /threshold must be 1 to 1000000$/],
    [{ threshold: NaN }, /threshold must be 1 to 1000000$/],
    [{ cooldown: -1 }, /cooldown must be 0.001 to 86400$/],
  ])('refuses %o, naming the option and its range', (options, message) => {
    expect(() => circuitBreaker(start(), options)).toThrow(TypeError);
    expect(() => circuitBreaker(start(), options)).toThrow(message);
  });

  it('is a part: without it no job is refused, and the breaker is reported closed', async () => {
    const heartbeat = start();
    for (let n = 0; n < 20; n++) await heartbeat.job(fail).catch(ignore);
    await heartbeat.job(async () => {});
    const beat = await last({ errors_total: 20, jobs_total: 1 });
    expect(beat).not.toHaveProperty('circuit_breaker_threshold');
    expect(world.recorder.beats()[0]).toMatchObject({ circuit_breaker_state: 'closed' });
  });
});

describe('stop', () => {
  it('aborts the signal, waits for what runs, and counts it', async () => {
    const heartbeat = start();
    const seen: boolean[] = [];
    const job = heartbeat.job(async (signal) => {
      expect(signal).toBe(heartbeat.signal);
      await sleep(150);
      seen.push(signal.aborted);
    });
    await beats(1);
    await heartbeat.stop();
    expect(seen).toEqual([true]);
    expect(world.recorder.statuses()).toEqual(['processing', 'stopping', 'stopped']);
    expect(world.recorder.last()).toMatchObject({ jobs_total: 1, jobs_active: 0 });
    await job;
  });

  it('leaves a worker that goes on all the same to work in peace', async () => {
    const heartbeat = start();
    await heartbeat.stop();
    const count = world.recorder.requests.length;
    expect(await heartbeat.job(async () => 'done')).toBe('done');
    expect(await heartbeat.run(async () => 1)).toBe(1);
    heartbeat.setStatus('still here');
    heartbeat.idle();
    expect(world.recorder.requests).toHaveLength(count);
  });
});
