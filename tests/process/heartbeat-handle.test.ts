import { inspect } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { circuitBreaker, CircuitOpenError } from '../../workers-heartbeat/heartbeat-breaker.ts';
import { jobLeases } from '../../workers-heartbeat/heartbeat-leases.ts';
import { logs } from '../../workers-heartbeat/heartbeat-logs.ts';
import { drain } from '../../workers-heartbeat/heartbeat-drain.ts';
import { until } from '../support/until.ts';
import { useHeartbeats } from './fixtures/heartbeat.ts';

// What the handle and the contract of parts hold, whatever a worker's author does with them.
const world = useHeartbeats();
const { start, last } = world;

describe('the handle', () => {
  it('shows no key when it is printed', () => {
    const heartbeat = start({ key: 'sb_secret_do_not_print', token: 'hbt_do_not_print_either' });
    for (const text of [inspect(heartbeat, { depth: 9 }), JSON.stringify(heartbeat)])
      expect(text).not.toMatch(/do_not_print/);
  });

  it('has methods that work without it, as callbacks of others', async () => {
    const { job, run, setStatus, idle, flush } = start();
    expect(await job(async () => 1)).toBe(1);
    expect(await run(() => 2)).toBe(2);
    setStatus('a', null);
    await flush();
    expect(world.recorder.last()).toMatchObject({ current_status: 'a', jobs_total: 1 });
    idle();
    await last({ status: 'idle' });
  });

  it('sends nothing more once it is stopped, whatever goes on', async () => {
    const heartbeat = start({ interval: 1, shutdown: { timeout: 0.1 } });
    let end = () => {};
    const job = heartbeat.job(() => new Promise<void>((done) => (end = done)));
    await heartbeat.stop();
    const sent = world.recorder.requests.length;
    end();
    await job;
    heartbeat.setStatus('still here');
    heartbeat.extend({ name: 'late' });
    await sleep(1_500); // longer than its interval
    expect(world.recorder.requests).toHaveLength(sent);
  });

  it('waits in stop() for what runs, also when two ask for it', async () => {
    const heartbeat = start();
    let end = () => {};
    const job = heartbeat.job(() => new Promise<void>((done) => (end = done)));
    const both = [heartbeat.stop(), heartbeat.finish('SIGTERM')];
    end();
    await job;
    await Promise.all(both); // and not for shutdown.timeout
  });
});

describe('a key that can’t be sent', () => {
  it.each(['sb_secret_two\nlines', 'with space', 'naïve'])('is none, and is not logged: %j', async (key) => {
    start({ key });
    expect(world.lines).toEqual([
      '[heartbeat] crawl-worker: not reported: set SUPABASE_SECRET_KEY, or SUPABASE_PUBLISHABLE_KEY and HEARTBEAT_TOKEN',
    ]);
  });
});

describe('masks without the logs part', () => {
  it.each([
    ['Crawling http://localhost:8080/page/1', 'Crawling http://localhost:8080/page/1'],
    ['postgres://u:p@ss@host/db', 'postgres://u:***@host/db'],
    ['postgres://u:pa;ss@host/db', 'postgres://u:***@host/db'],
    ['{"password":"a b c","page":2}', '{"password":***,"page":2}'],
    ['passphrase=hunter2 bearer abc.def', 'passphrase=*** bearer ***'],
  ])('%s', (text, shown) => {
    expect(start().mask(text)).toBe(shown);
  });

  it('cover names in metadata', async () => {
    start({
      metadata: { passphrase: 'hunter2', authorization: 'Basic Zm9v', signing_key: 'abcd', page: 'a' },
    }).idle();
    await last({ metadata: { passphrase: '***', authorization: '***', signing_key: '***', page: 'a' } });
  });
});

describe('a part', () => {
  it('that masks adds to the masks there are; one that fails hides the text', () => {
    const heartbeat = start();
    heartbeat.extend({ name: 'iban', mask: (text) => text.replace(/DE\d+/g, 'DE***') });
    expect(heartbeat.mask('token=abc DE1234')).toBe('token=*** DE***');
    logs(heartbeat);
    expect(heartbeat.mask('token=abc DE1234')).toBe('token=*** DE***');
    heartbeat.extend({
      name: 'bad',
      mask: () => {
        throw new Error('boom');
      },
    });
    expect(heartbeat.mask('token=abc')).toBe('***');
  });

  it('that rejects or throws is logged once, and costs the beat nothing, whatever its name', async () => {
    const heartbeat = start({ interval: 1 });
    heartbeat.extend({
      name: 'status',
      fields: () => {
        throw new Error('no fields');
      },
      answered: (async () => Promise.reject(new Error('no answer'))) as never,
    });
    await world.beats(3);
    expect(world.recorder.last()).toMatchObject({ status: expect.any(String) });
    expect(world.lines).toHaveLength(1);
    expect(world.lines[0]).toContain('its part status failed: no fields');
  });

  it('that wraps job is called once for each job', async () => {
    const heartbeat = start();
    drain(heartbeat);
    const inner = heartbeat.job;
    let calls = 0;
    heartbeat.job = (async (...work: Parameters<typeof inner>) => (calls++, inner(...work))) as never;
    await heartbeat.job(async () => {});
    await heartbeat.job({ id: 1 }, async () => {});
    expect(calls).toBe(2);
  });

  it('is the same part at a second call', async () => {
    const heartbeat = start({ interval: 1 });
    expect(jobLeases(heartbeat)).toBe(jobLeases(heartbeat));
    expect(drain(heartbeat)).toBe(drain(heartbeat));
    expect(circuitBreaker(heartbeat)).toBe(circuitBreaker(heartbeat));
    const [one, two] = [logs(heartbeat), logs(heartbeat)];
    one.info('first');
    two.info('second');
    await until(() => world.recorder.log().length === 2);
    expect(world.recorder.log().map(({ line, message }) => [line, message])).toEqual([
      [1, 'first'],
      [2, 'second'],
    ]);
  });
});

it('a breaker whose trial is refused before its work does not stay half open', async () => {
  const heartbeat = start();
  const inner = heartbeat.job;
  let refuse = false;
  heartbeat.job = (async (...work: Parameters<typeof inner>) => {
    if (refuse) throw new Error('rate limit');
    return inner(...work);
  }) as never;
  const breaker = circuitBreaker(heartbeat, { threshold: 1, cooldown: 0.01 });
  await heartbeat.job(() => Promise.reject(new Error('x'))).catch(() => {});
  await until(() => breaker.retryAt!.getTime() < Date.now());
  refuse = true;
  await expect(heartbeat.job(async () => {})).rejects.toThrow('rate limit');
  refuse = false;
  expect(breaker.state).toBe('open');
  await heartbeat.job(async () => {}).catch((error) => expect(error).toBeInstanceOf(CircuitOpenError));
});

it('a lease that is claimed while the worker stops begins its work with an aborted signal', async () => {
  const heartbeat = start();
  const lease = jobLeases(heartbeat);
  heartbeat.idle();
  await world.beats(1);
  let aborted: boolean | undefined;
  world.recorder.fault = async ({ path }) => {
    if (path.endsWith('hp_claim_lease')) heartbeat.leave('SIGTERM');
    return undefined;
  };
  await lease('a', async (_, signal) => void (aborted = signal.aborted));
  expect(aborted).toBe(true);
});
