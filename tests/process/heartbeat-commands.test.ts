import { pathToFileURL } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { until } from '../support/until.ts';
import { heartbeatFile, partFile, withFleet, type TestFleet } from './fixtures/fleet.ts';
import {
  circuitBreaker,
  CircuitOpenError,
  type BreakerOptions,
} from '../../workers-heartbeat/heartbeat-breaker.ts';
import { commands, type CommandOptions } from '../../workers-heartbeat/heartbeat-commands.ts';
import { drain } from '../../workers-heartbeat/heartbeat-drain.ts';
import { jobLeases } from '../../workers-heartbeat/heartbeat-leases.ts';
import { logs } from '../../workers-heartbeat/heartbeat-logs.ts';
import { useHeartbeats, withHeartbeats, type HeartbeatOptions } from './fixtures/heartbeat.ts';

describe('a command', () => {
  const world = useHeartbeats();
  /** A worker with every part that carries out commands. */
  function start({
    breaker,
    ...options
  }: HeartbeatOptions & CommandOptions & { breaker?: BreakerOptions } = {}) {
    const heartbeat = world.start(options);
    parts = {
      log: logs(heartbeat),
      breaker: circuitBreaker(heartbeat, breaker),
      operator: drain(heartbeat),
      lease: jobLeases(heartbeat),
    };
    commands(heartbeat, options);
    return heartbeat;
  }
  let parts: {
    log: ReturnType<typeof logs>;
    breaker: ReturnType<typeof circuitBreaker>;
    operator: ReturnType<typeof drain>;
    lease: ReturnType<typeof jobLeases>;
  };

  /** Asks, lets a beat fetch it, and resolves with what the worker says of it at last. */
  async function ask(command: string, args?: Record<string, unknown>, worker = 'crawl-worker') {
    const id = world.recorder.ask(worker, command, { args });
    void heartbeat.flush();
    await until(() => /done|failed|refused/.test(world.recorder.told(id).at(-1) ?? ''), { what: command });
    return world.recorder.told(id);
  }
  let heartbeat: ReturnType<typeof start>;

  it('is reported at once, not with the next beat', async () => {
    heartbeat = start({ interval: 60 });
    const began = performance.now();
    expect(await ask('beat')).toEqual(['done']);
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it('is obeyed once, however often it comes', async () => {
    const asked: number[] = [];
    heartbeat = start({ interval: 1, onCommand: ({ id }) => void asked.push(id) });
    // The database does not hear what the worker says of it.
    world.recorder.answer = { commands: [{ id: 7, command: 'beat', args: null, reason: 'often' }] };
    await world.beats(6);
    expect(asked).toEqual([7]);
  });

  it('is reported again when the answer to its report got lost', async () => {
    heartbeat = start({ interval: 1 });
    let lost = 0;
    world.recorder.fault = ({ beats }, response) =>
      beats[0]!.commands && !lost++ ? response.destroy() : undefined;
    const id = world.recorder.ask('crawl-worker', 'beat');
    await until(() => world.recorder.beats().filter((beat) => beat.commands).length >= 2);
    expect(lost).toBeGreaterThan(0);
    expect(world.recorder.told(id)).toEqual(['done']);
    const said = world.recorder.beats().length;
    await world.beats(said + 2);
    expect(world.recorder.last()).not.toHaveProperty('commands'); // and then no more
  });

  it('that it does not know is refused in words', async () => {
    heartbeat = start();
    expect(await ask('dance')).toEqual(['failed: this module does not know dance']);
  });

  it('log_level changes which lines are taken', async () => {
    heartbeat = start();
    parts.log.debug('before');
    expect(await ask('log_level', { level: 'debug' })).toEqual(['done']);
    parts.log.debug('after');
    await heartbeat.flush();
    expect(world.recorder.log()).toMatchObject([{ level: 'debug', message: 'after' }]);
    expect(await ask('log_level', { level: 'loud' })).toEqual([
      'failed: the level must be one of debug, info, warn, error',
    ]);
  });

  describe('to the circuit breaker', () => {
    const fail = () => heartbeat.job(() => Promise.reject(new Error('x'))).catch((error: unknown) => error);

    it('closes it, and failures count from none', async () => {
      heartbeat = start({ breaker: { threshold: 2 } });
      await fail();
      await fail();
      expect(parts.breaker.state).toBe('open');
      expect(await ask('breaker_reset')).toEqual(['done']);
      expect(parts.breaker).toMatchObject({ state: 'closed', failures: 0 });
      await world.last({ circuit_breaker_state: 'closed', circuit_breaker_failures: 0 });
      await fail();
      expect(parts.breaker.state).toBe('closed');
    });

    it('opens it with the reason; a job that runs already does not close it again', async () => {
      heartbeat = start({ breaker: { cooldown: 1 } });
      let end = () => {};
      const running = heartbeat.job(() => new Promise<void>((done) => (end = done)));
      expect(await ask('breaker_trip')).toEqual(['done']);
      await world.last({
        circuit_breaker_state: 'open',
        circuit_breaker_reason: 'tripped by hand: a test',
      });
      end();
      await running;
      await expect(heartbeat.job(async () => 1)).rejects.toThrow(CircuitOpenError);
      // A trial after the cooldown, as after failures.
      await until(() => Number(parts.breaker.retryAt) <= Date.now());
      await heartbeat.job(async () => {});
      expect(parts.breaker.state).toBe('closed');
    });

    it('fails where the worker does not carry one, and names the file', async () => {
      heartbeat = world.start();
      commands(heartbeat);
      expect(await ask('breaker_trip')).toEqual(['failed: the worker does not carry heartbeat-breaker.mjs']);
    });
  });

  describe('to drain', () => {
    it('is done when nothing runs any more; further work waits until resume, and is lost to nobody', async () => {
      heartbeat = start({ interval: 1 });
      let end = () => {};
      const running = heartbeat.job({ id: 'long' }, () => new Promise<void>((done) => (end = done)));
      const id = world.recorder.ask('crawl-worker', 'drain');
      await until(() => world.recorder.told(id).length);
      expect(world.recorder.told(id)).toEqual(['acknowledged']);
      expect(parts.operator.draining).toBe(true);
      expect(heartbeat.signal.aborted).toBe(false);
      await world.last({ draining: true, jobs_active: 1 });

      let begun = 0;
      const held = [
        heartbeat.job(async () => ++begun),
        heartbeat.run(async () => ++begun),
        parts.lease('key', async () => ++begun),
      ];
      end();
      await running;
      await until(() => world.recorder.told(id).at(-1) === 'done');
      await world.last({ draining: true, status: 'idle', jobs_active: 0 });
      expect(begun).toBe(0);

      expect(await ask('resume')).toEqual(['done']);
      await Promise.all(held);
      expect(begun).toBe(3);
      expect(parts.operator.draining).toBe(false);
      await until(() => world.recorder.last()?.draining === undefined);
    });

    it('stops a pass before its next job', async () => {
      heartbeat = start({ interval: 1 });
      const done: number[] = [];
      let next = () => {};
      const pass = heartbeat.run(async () => {
        for (let n = 1; n <= 3; n++)
          await heartbeat.job(async () => {
            done.push(n);
            if (n === 1) await new Promise<void>((go) => (next = go));
          });
      });
      const id = world.recorder.ask('crawl-worker', 'drain');
      await until(() => world.recorder.told(id).length);
      next();
      await until(() => world.recorder.told(id).at(-1) === 'done');
      await world.last({ status: 'idle', draining: true });
      expect(done).toEqual([1]);
      await ask('resume');
      await pass;
      expect(done).toEqual([1, 2, 3]);
    });

    it('that is taken back before it is done has failed', async () => {
      heartbeat = start({ interval: 1 });
      let end = () => {};
      const running = heartbeat.job(() => new Promise<void>((done) => (end = done)));
      const id = world.recorder.ask('crawl-worker', 'drain');
      await until(() => world.recorder.told(id).length);
      await ask('resume');
      expect(world.recorder.told(id)).toEqual(['acknowledged', 'failed: it was resumed before']);
      end();
      await running;
    });

    it('does not keep a worker from ending', async () => {
      heartbeat = start({ interval: 1 });
      await heartbeat.job(async () => {});
      await ask('drain');
      const held = heartbeat.job(async (signal) => signal.aborted);
      await heartbeat.stop();
      expect(await held).toBe(true); // as any job that begins after the signal was aborted
      await world.last({ status: 'stopped' });
    });

    it('fails with the reason for a worker that nothing could hold, except at its start', async () => {
      const uptime = vi.spyOn(process, 'uptime').mockReturnValue(61);
      heartbeat = start();
      expect(await ask('drain')).toEqual([
        'failed: the worker takes no work by job(), run() or a lease, so a drain would hold nothing',
      ]);
      uptime.mockReturnValue(10);
      expect(await ask('drain')).toContain('done');
      expect(parts.operator.draining).toBe(true);
      uptime.mockRestore();
    });
  });

  describe('before which onCommand is asked', () => {
    it.each([
      ['returns false', () => false, 'refused: the worker refused'],
      ['gives a reason', () => 'in the middle of a payment', 'refused: in the middle of a payment'],
      ['promises a reason', async () => 'not on Fridays', 'refused: not on Fridays'],
      [
        'throws',
        () => {
          throw new Error('boom, token=hunter2');
        },
        'refused: boom, token=***',
      ],
      ['rejects', () => Promise.reject(new Error('boom')), 'refused: boom'],
    ])('is refused when it %s', async (_, onCommand, told) => {
      heartbeat = start({ onCommand });
      expect(await ask('restart')).toEqual([told]);
      expect(heartbeat.signal.aborted).toBe(false);
    });

    it.each([undefined, true, null, 7, {}])('is obeyed when it returns %s', async (answer) => {
      heartbeat = start({ onCommand: () => answer });
      expect(await ask('beat')).toEqual(['done']);
    });

    it('is told what is asked, and why', async () => {
      const asked: unknown[] = [];
      heartbeat = start({ onCommand: (command) => void asked.push(command) });
      await ask('log_level', { level: 'warn' });
      expect(asked).toEqual([{ id: 1, command: 'log_level', args: { level: 'warn' }, reason: 'a test' }]);
    });
  });

  it('hurts nobody when it is nonsense', async () => {
    heartbeat = start({ interval: 1 });
    heartbeat.idle();
    const odd = [null, 7, 'restart', {}, { id: 'x' }, { id: 1 }, { id: 2, command: {} }];
    for (const commands of [odd, 'restart', { id: 3, command: ['stop'] }]) {
      world.recorder.answer = { commands };
      await world.beats(world.recorder.beats().length + 1);
    }
    world.recorder.answer = {};
    await world.last({ status: 'idle' });
    expect(world.lines).toEqual([]);
  });
});

describe.concurrent('a process that is asked', () => {
  const it = withFleet;
  const reported = (fleet: TestFleet, status: string, worker?: string) =>
    until(() => fleet.recorder.last(worker)?.status === status, { what: `a beat that says ${status}` });

  it('to restart finishes its job, says goodbye, and exits by a code on which supervisors restart', async ({
    fleet,
  }) => {
    const worker = fleet.start('job', { env: { UNTIL: 'SIGUSR2' } });
    await worker.wrote('started');
    await reported(fleet, 'processing');
    const id = fleet.recorder.ask('job', 'restart', { reason: 'new build' });
    await reported(fleet, 'stopping');
    worker.child.kill('SIGUSR2');
    expect(await worker.exited).toEqual({ code: 75, signal: null });
    expect(worker.output()).toContain('finished');
    expect(fleet.recorder.told(id)).toEqual(['acknowledged']);
    expect(fleet.recorder.statuses()).toEqual(['processing', 'stopping', 'stopped']);
    expect(fleet.recorder.last()).toMatchObject({
      status_reason: 'restart requested: new build',
      jobs_total: 1,
      last_exit: { code: 75 },
    });
  });

  it('to restart gives jobs the time for shutdown, and names the one that it left', async ({ fleet }) => {
    const worker = fleet.start('job', { env: { JOB_MS: '60000', TIMEOUT: '0.5' } });
    await worker.wrote('started');
    await reported(fleet, 'processing');
    fleet.recorder.ask('job', 'restart');
    expect(await worker.exited).toEqual({ code: 75, signal: null });
    expect(fleet.recorder.last()).toMatchObject({ status: 'stopped', last_exit: { abandoned_job: 'job-1' } });
  });

  it('to stop exits by 0', async ({ fleet }) => {
    const worker = fleet.start('idle');
    await reported(fleet, 'idle');
    const id = fleet.recorder.ask('idle', 'stop', { reason: 'not needed' });
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    await reported(fleet, 'stopped');
    expect(fleet.recorder.told(id)).toEqual(['acknowledged']);
    expect(fleet.recorder.last()).toMatchObject({
      status_reason: 'stop requested: not needed',
      last_exit: { code: 0 },
    });
  });

  it.for(['restart', 'stop'])('to %s is too late when it is ending already', async (command, { fleet }) => {
    const worker = fleet.start('job', { env: { UNTIL: 'SIGUSR2' } });
    await worker.wrote('started');
    await reported(fleet, 'processing');
    worker.child.kill('SIGTERM');
    await reported(fleet, 'stopping');
    const id = fleet.recorder.ask('job', command);
    await until(() => fleet.recorder.told(id).length);
    worker.child.kill('SIGUSR2');
    expect(await worker.exited).toEqual({ code: null, signal: 'SIGTERM' });
    expect(fleet.recorder.told(id)).toEqual(['failed: the worker is ending already']);
  });

  it('whose code is not touched restarts as well', async ({ fleet }) => {
    const worker = fleet.start('plain', {
      env: { WORKER_NAME: 'untouched', WORKER_HEARTBEAT_INTERVAL: '1' },
      nodeOptions: [
        '--import',
        pathToFileURL(heartbeatFile).href,
        '--import',
        pathToFileURL(partFile('commands')).href,
      ],
    });
    await reported(fleet, 'running');
    fleet.recorder.ask('untouched', 'restart');
    expect(await worker.exited).toEqual({ code: 75, signal: null });
    expect(fleet.recorder.last()).toMatchObject({ status: 'stopped', last_exit: { code: 75 } });
  });

  it.for([
    ['restart', '0', 75],
    ['restart', '143', 75],
    ['stop', '143', 0],
  ] as const)(
    'to %s and handles signals itself ends in its own way, by our code instead of %s',
    async ([command, CODE, code], { fleet }) => {
      const worker = fleet.start('own-handler', { env: { CODE } });
      await worker.wrote('ready');
      await until(() => fleet.recorder.last());
      const id = fleet.recorder.ask('own-handler', command);
      expect(await worker.exited).toEqual({ code, signal: null });
      expect(worker.output()).toContain('aborted');
      await reported(fleet, 'stopped');
      expect(fleet.recorder.told(id)).toEqual(['acknowledged']);
      expect(fleet.recorder.last()).toMatchObject({
        status_reason: `${command} requested: a test`,
        last_exit: { code },
      });
    },
  );

  it.for([
    ['0', 0],
    ['', 0],
    ['75', 75],
  ] as const)(
    'to restart and has failed to ends later with its own code: by %s',
    async ([CODE, code], { fleet }) => {
      const worker = fleet.start('own-handler', { env: { CODE, DEAF: '1', TIMEOUT: '0.5' } });
      await worker.wrote('ready');
      await until(() => fleet.recorder.last());
      const id = fleet.recorder.ask('own-handler', 'restart');
      await until(() => /failed/.test(fleet.recorder.told(id).at(-1) ?? ''));
      worker.child.kill('SIGUSR2');
      expect(await worker.exited).toEqual({ code, signal: null });
      await reported(fleet, 'stopped');
      expect(fleet.recorder.last()).toMatchObject({ status_reason: 'SIGTERM', last_exit: { code } });
    },
  );

  it('and whose own handler exits with an error has stopped with that code, for it was asked to', async ({
    fleet,
  }) => {
    const worker = fleet.start('own-handler', { env: { CODE: '7' } });
    await worker.wrote('ready');
    await until(() => fleet.recorder.last());
    fleet.recorder.ask('own-handler', 'restart');
    expect(await worker.exited).toEqual({ code: 7, signal: null });
    await reported(fleet, 'stopped');
    expect(fleet.recorder.last()).toMatchObject({ last_exit: { code: 7 } });
  });

  it('with the package signal-exit is not taken for one with a handler', async ({ fleet }) => {
    const worker = fleet.start('signal-exit', { env: { VERSION: '4' } });
    await worker.wrote('ready');
    await until(() => fleet.recorder.last());
    fleet.recorder.ask(fleet.recorder.last()!.worker_name, 'restart');
    expect(await worker.exited).toEqual({ code: 75, signal: null });
  });

  it('and wants to end itself, shutdown.exit being false, is told to; when it does not, that is said', async ({
    fleet,
  }) => {
    const worker = fleet.start('idle', { env: { EXIT: 'false', TIMEOUT: '1' } });
    await reported(fleet, 'idle');
    const id = fleet.recorder.ask('idle', 'restart');
    await until(() => fleet.recorder.told(id).length === 2);
    expect(fleet.recorder.told(id)).toEqual([
      'acknowledged',
      'failed: the worker lives on after shutdown.timeout (1 s): its own code must end it',
    ]);
    expect(fleet.recorder.last()?.status).toBe('stopping');
    expect(worker.child.exitCode).toBe(null);
  });

  it('and ends itself when its loop is over exits by our code, too', async ({ fleet }) => {
    const worker = fleet.start('loop-until', { env: { EXIT: 'false' } });
    await worker.wrote('begin 1');
    await reported(fleet, 'processing');
    fleet.recorder.ask('loop-until', 'restart');
    expect(await worker.exited).toEqual({ code: 75, signal: null });
    await reported(fleet, 'stopped');
    expect(fleet.recorder.last()).toMatchObject({
      status_reason: 'restart requested: a test',
      last_exit: { code: 75 },
    });
  });

  describe('and is two workers', () => {
    it('ends as a whole to restart one', async ({ fleet }) => {
      const worker = fleet.start('two');
      await until(() => fleet.recorder.last('one') && fleet.recorder.last('two'));
      fleet.recorder.ask('two', 'restart');
      expect(await worker.exited).toEqual({ code: 75, signal: null });
      expect(fleet.recorder.last('one')).toMatchObject({ status: 'stopped', status_reason: 'SIGTERM' });
      expect(fleet.recorder.last('two')).toMatchObject({
        status: 'stopped',
        status_reason: 'restart requested: a test',
      });
    });

    it('lives on as the other when one is stopped', async ({ fleet }) => {
      const worker = fleet.start('two');
      await until(() => fleet.recorder.last('one') && fleet.recorder.last('two'));
      fleet.recorder.ask('two', 'stop');
      await reported(fleet, 'stopped', 'two');
      const { sequence } = fleet.recorder.last('one')!;
      await until(() => fleet.recorder.last('one')!.sequence > sequence + 1);
      expect(fleet.recorder.last('one')?.status).toBe('running');
      expect(fleet.recorder.last('two')?.status).toBe('stopped');
      expect(await worker.end('SIGTERM')).toMatchObject({ signal: 'SIGTERM' });
    });
  });
});

describe.concurrent('with the worker’s own Supabase client', () => {
  const it = withHeartbeats;

  /** A client that does no more than it is told here. */
  function client() {
    let heard = () => {};
    let told: (status: string, error?: Error) => void = () => {};
    const channel = {
      on: (type: string, filter: { event: string }, listener: () => void) => {
        made.listened.push([type, filter.event]);
        heard = listener;
        return channel;
      },
      subscribe: (listener: typeof told) => {
        told = listener;
        return channel;
      },
    };
    const made = {
      joined: [] as [string, unknown][],
      listened: [] as [string, string][],
      left: [] as unknown[],
      channel,
      wakeUp: () => heard(),
      say: (status: string, error?: Error) => told(status, error),
      supabase: {
        channel: (topic: string, options: unknown) => {
          made.joined.push([topic, options]);
          return channel;
        },
        removeChannel: async (given: unknown) => void made.left.push(given),
      },
    };
    return made;
  }

  it('beats at once when the database sends a wake-up, at most once a second, and leaves the channel at its end', async ({
    world,
  }) => {
    const { supabase, ...made } = client();
    const heartbeat = world.start({ interval: 60 });
    commands(heartbeat, { supabase });
    heartbeat.idle();
    await until(() => made.listened.length);
    const { instance_id } = world.recorder.last()!;
    expect(made.joined).toEqual([[`hp:wake-up:${instance_id}`, { config: { private: true } }]]);
    expect(made.listened).toEqual([['broadcast', 'wake-up']]);

    await new Promise((done) => setTimeout(done, 1_100));
    const id = world.recorder.ask(world.name, 'beat');
    const began = performance.now();
    made.wakeUp();
    await until(() => world.recorder.told(id).length);
    expect(performance.now() - began).toBeLessThan(500);

    const before = world.recorder.beats().length;
    for (let n = 0; n < 100; n++) made.wakeUp();
    await new Promise((done) => setTimeout(done, 1_500));
    for (let n = 0; n < 100; n++) made.wakeUp();
    await new Promise((done) => setTimeout(done, 300));
    expect(world.recorder.beats().length - before).toBeLessThanOrEqual(2);
    await heartbeat.stop();
    await until(() => made.left.length);
    expect(made.left).toEqual([made.channel]);
  });

  it.for([
    [
      'throws',
      {
        channel: () => {
          throw new Error('no realtime');
        },
      },
      /no realtime/,
    ],
    ['gives nothing', { channel: () => undefined }, /undefined/],
    [
      'gives something else',
      {
        channel: () => ({ on: () => ({}) }),
        removeChannel: () => {
          throw new Error('x');
        },
      },
      /subscribe/,
    ],
  ] as [string, never, RegExp][])(
    'that %s, beats go on and one line says so',
    async ([, supabase, words], { world }) => {
      const heartbeat = world.start({ interval: 1 });
      commands(heartbeat, { supabase });
      heartbeat.idle();
      await world.beats(4);
      expect(world.lines).toHaveLength(1);
      expect(world.lines[0]).toMatch(
        /its Supabase client can't listen \(.*\): commands come with the next beat/,
      );
      expect(world.lines[0]).toMatch(words);
      await heartbeat.stop();
      expect(world.recorder.last()?.status).toBe('stopped');
    },
  );

  it('that is refused the channel, one line says so; later trouble is the network’s', async ({ world }) => {
    const { supabase, say } = client();
    const heartbeat = world.start({ interval: 1 });
    commands(heartbeat, { supabase });
    heartbeat.idle();
    await world.beats(2);
    say('CHANNEL_ERROR', new Error('Unauthorized'));
    say('CHANNEL_ERROR', new Error('Unauthorized'));
    expect(world.lines).toEqual([expect.stringContaining('(Unauthorized)')]);
    say('SUBSCRIBED');
    say('TIMED_OUT');
    expect(world.lines).toHaveLength(1);
    expect(() => commands(heartbeat, { supabase: {} as never })).toThrow(
      'supabase must be a Supabase client',
    );
    expect(() => commands(heartbeat, { onCommand: 7 as never })).toThrow('onCommand must be a function');
  });
});

withHeartbeats('onCommand that takes longer than five seconds has refused', async ({ world }) => {
  commands(world.start(), { onCommand: () => new Promise(() => {}) });
  const id = world.recorder.ask(world.name, 'restart');
  await until(() => world.recorder.told(id).length);
  expect(world.recorder.told(id)).toEqual(['refused: onCommand took longer than 5 s']);
});
