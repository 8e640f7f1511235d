import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { createFleet, type TestFleet } from './fixtures/fleet.ts';
import { logs, type LogOptions } from '../../workers-heartbeat/heartbeat-logs.ts';
import { useHeartbeats, type HeartbeatOptions } from './fixtures/heartbeat.ts';
import type { RecordedLine } from './fixtures/recorder.ts';

const world = useHeartbeats();
const { beats } = world;
/** A worker with a log. */
function start({ captureConsole, level, ...options }: HeartbeatOptions & LogOptions = {}) {
  const heartbeat = world.start(options);
  const log = logs(heartbeat, { captureConsole, level });
  return { heartbeat, log, flush: () => heartbeat.flush(), stop: () => heartbeat.stop() };
}

const messages = (lines: RecordedLine[] = world.recorder.log()) => lines.map(({ message }) => message);
const untilLogged = (count: number) =>
  until(() => world.recorder.log().length >= count && world.recorder.log(), { what: `${count} lines` });

describe('the log of a worker', () => {
  it('goes with its beats: number, age, level and words of each line', async () => {
    const heartbeat = start({ interval: 1 });
    const before = performance.now();
    heartbeat.log.info('Queue opened');
    heartbeat.log.error(new Error('boom'));
    heartbeat.log.warn({ left: 3, of: ['a', 'b'] });
    const log = await untilLogged(3);
    expect(log).toMatchObject([
      { line: 1, level: 'info', message: 'Queue opened' },
      { line: 2, level: 'error', message: expect.stringMatching(/^Error: boom\n\s+at /) },
      { line: 3, level: 'warn', message: "{ left: 3, of: [ 'a', 'b' ] }" },
    ]);
    for (const { at } of log) expect(Math.abs(at - before)).toBeLessThan(1_000);
    // What was stored is not sent again.
    await until(() => world.recorder.beats().at(-1)?.logs === undefined);
  });

  it('causes no beat by itself while nobody follows it', async () => {
    const heartbeat = start({ interval: 60 });
    await beats(2); // the second confirms its epoch
    for (let n = 0; n < 10; n++) heartbeat.log.error(`line ${n}`);
    await new Promise((done) => setTimeout(done, 1_500));
    expect(world.recorder.log()).toEqual([]);
    await heartbeat.flush();
    expect(world.recorder.log()).toHaveLength(10);
  });

  it('comes once a second while somebody follows it', async () => {
    world.recorder.answer = { logs_every_s: 1 };
    const heartbeat = start({ interval: 60 });
    await beats(2);
    const from = world.recorder.beats().length;
    const ticking = setInterval(() => heartbeat.log.info('tick'), 50);
    await until(() => world.recorder.log().length >= 40);
    clearInterval(ticking);
    const carrying = world.recorder.requests.slice(from).filter(({ beats }) => beats[0]!.logs);
    expect(carrying.length).toBeLessThanOrEqual(4);
    for (let n = 1; n < carrying.length; n++)
      expect(carrying[n]!.at - carrying[n - 1]!.at).toBeGreaterThan(900);
  });

  it('is stored once, whatever answers get lost', async () => {
    let lost = 0;
    world.recorder.fault = async ({ beats }, response) => {
      if (!beats[0]!.logs || lost >= 2) return;
      // It is stored, but the worker does not hear of that.
      lost++;
      world.recorder.fault = undefined;
      await fetch(`${world.recorder.url}/rest/v1/rpc/hp_heartbeat`, {
        method: 'POST',
        body: JSON.stringify({ beats }),
      });
      response.destroy();
      return true;
    };
    const heartbeat = start({ interval: 1 });
    heartbeat.log.info('one');
    heartbeat.log.info('two');
    await untilLogged(2);
    await until(() => world.recorder.beats().filter((beat) => beat.logs).length >= 2);
    heartbeat.log.info('three');
    await untilLogged(3);
    expect(lost).toBe(1);
    expect(messages()).toEqual(['one', 'two', 'three']);
  });

  it('goes a hundred lines at a time, all that there was at the time of a beat one after the other', async () => {
    const heartbeat = start({ interval: 60 });
    for (let n = 1; n <= 450; n++) heartbeat.log.info(`line ${n}`);
    await untilLogged(450);
    expect(messages()).toEqual(Array.from({ length: 450 }, (_, n) => `line ${n + 1}`));
    for (const { logs } of world.recorder.beats())
      expect((logs as unknown[] | undefined)?.length ?? 0).toBeLessThanOrEqual(100);
  });

  it('is bounded: the oldest lines go first, are counted, and leave a gap in the numbers', async () => {
    const heartbeat = start({ interval: 60 });
    await beats(2);
    for (let n = 1; n <= 10_000; n++) heartbeat.log.info(`line ${n}`);
    await heartbeat.flush();
    const log = await untilLogged(500);
    expect(log.map(({ line }) => line)).toEqual(Array.from({ length: 500 }, (_, n) => 9_501 + n));
    expect(world.recorder.last()).toMatchObject({ logs_dropped: 9_500 });
  });

  it('is bounded in its size: a line, a beat, and what waits', async () => {
    const heartbeat = start({ interval: 60 });
    await beats(2);
    for (let n = 0; n < 300; n++) heartbeat.log.info(`${n} ${'\u0001"ü'.repeat(100_000)}`);
    await heartbeat.flush();
    expect(world.recorder.log().length).toBeGreaterThan(20);
    for (const { message } of world.recorder.log()) expect(message.length).toBeLessThanOrEqual(2_000);
    for (const { logs } of world.recorder.beats())
      expect(Buffer.byteLength(JSON.stringify(logs ?? []))).toBeLessThan(65_536);
  });

  it('takes no line below its level', async () => {
    const heartbeat = start({ interval: 60, level: 'warn' });
    for (const level of ['debug', 'info', 'warn', 'error'] as const) heartbeat.log[level](level);
    await heartbeat.flush();
    expect(messages()).toEqual(['warn', 'error']);
  });

  it('is not kept where the database keeps none', async () => {
    world.recorder.answer = { logs_to: undefined };
    const heartbeat = start({ interval: 1 });
    heartbeat.log.info('one');
    await beats(4);
    expect(world.recorder.beats().filter((beat) => beat.logs)).toHaveLength(1);
  });

  it('says once that the database has passed over a line, and goes on', async () => {
    world.recorder.answer = { ignored: { field: 'logs', message: 'logs[0] is bad' } };
    const heartbeat = start({ interval: 1 });
    heartbeat.log.info('one');
    await beats(3);
    heartbeat.log.info('two');
    await untilLogged(2);
    expect(world.lines).toEqual(['[heartbeat] crawl-worker: passed over: logs[0] is bad']);
  });

  it('throws nothing, and takes no harm from odd values', async () => {
    const { log, flush } = start({ interval: 60 });
    const bad = { [Symbol.for('nodejs.util.inspect.custom')]: () => Promise.reject.call(null) };
    for (const value of [undefined, null, Symbol('s'), 7n, bad, () => {}]) log.info(value);
    log.info();
    await flush();
    expect(messages().slice(0, 4)).toEqual(['undefined', 'null', 'Symbol(s)', '7n']);
  });
});

describe('what looks like a key', () => {
  const jwt = `eyJ${'hbGciOiJIUzI1NiJ9'}.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ`;
  const own = 'a-key-that-looks-like-nothing';
  it.each([
    ['our key is sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz', 'our key is sb_secret_***'],
    ['token hbt_0123456789012345678901234567890123456789012', 'token hbt_***'],
    [`got ${jwt}.`, 'got eyJ***.'],
    ['AKIAIOSFODNN7EXAMPLE and ASIAIOSFODNN7EXAMPLE', 'AKIA*** and ASIA***'],
    ['ghp_16C7e42F292c6912E7710c838347Ae178B4a', 'ghp_***'],
    ['github_pat_11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ', 'github_pat_***'],
    // Pieced together: whoever looks for keys in repositories would find one here.
    [`slack ${'xoxb'}-123456789012-1234567890123-AbCdEfGhIjKl`, 'slack xoxb-***'],
    ['sk-proj-abcdefghijklmnopqrstuvwxyz', 'sk-***'],
    [`${'sk_live'}_abcdefghijklmnopqrstuvwx`, 'sk_***'],
    [`npm_${'a1'.repeat(18)}`, 'npm_***'],
    ['Authorization: Bearer abcdef0123456789', 'Authorization: ***'],
    ['authorization: Basic dXNlcjpwYXNzd29yZA==', 'authorization: ***'],
    ["curl -H 'Bearer abcdef0123456789'", "curl -H 'Bearer ***'"],
    ['password=hunter2 user=me', 'password=*** user=me'],
    ['DB_PASSWORD: hunter2, host: db', 'DB_PASSWORD: ***, host: db'],
    ['https://api.example.com/?api_key=0123&page=2', 'https://api.example.com/?api_key=***&page=2'],
    ['{"user":"me","password":"hun\\"ter 2","page":2}', '{"user":"me","password":***,"page":2}'],
    ["{ user: 'me', clientSecret: 'hunter 2' }", "{ user: 'me', clientSecret: *** }"],
    [JSON.stringify('{"token":"hunter2"}'), '"{\\"token\\":***\\"}"'],
    ['AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG', 'AWS_SECRET_ACCESS_KEY=***'],
    ['postgres://me:hunter2@db.example.com/app', 'postgres://me:***@db.example.com/app'],
    ['redis://:hunt@er2@cache', 'redis://:***@cache'],
    ['-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nnext', '[private key]\nnext'],
    ['-----BEGIN PRIVATE KEY-----\nMIIE\nand the rest is cut', '[private key]'],
    [`it is ${own}!`, 'it is ***!'],
    // As node prints objects, with the quotes that the text has not.
    [inspect({ user: 'me', password: 'it\'s "mine"' }), "{ user: 'me', password: *** }"],
    [inspect({ user: 'me', password: 'it\'s "my" `own`' }), "{ user: 'me', password: *** }"],
    [inspect(new Map([['password', 'hunter2']])), "Map(1) { 'password' => *** }"],
    [inspect({ token: ['hunter2', 'hunter3'], n: 1 }), '{ token: ***, n: 1 }'],
    [inspect(['x-api-key', 'hunter2', 7]), "[ 'x-api-key', ***, 7 ]"],
    [JSON.stringify(['x-api-key', 'hunter2', 7]), '["x-api-key",***,7]'],
    [JSON.stringify(JSON.stringify(['x-api-key', 'hunter2'])), '"[\\"x-api-key\\",***\\"]"'],
    ['Authorization: Token abcdef123456', 'Authorization: ***'],
    ['authorization: ApiKey abcdef123456, host: db', 'authorization: ***, host: db'],
    ['Cookie: session=hunter2; csrf=hunter3\nHost: db', 'Cookie: ***\nHost: db'],
    ['Set-Cookie: session=hunter2; Path=/', 'Set-Cookie: ***'],
    ['run --user me --password hunter2 --token "hunter 3" -v', 'run --user me --password *** --token *** -v'],
    ['blob?se=2026&sig=hun%2Fter2%3D&sp=r', 'blob?se=2026&sig=***&sp=r'],
    [`${'hf'}_${'aB'.repeat(17)}`, 'hf_***'],
    [`${'whsec'}_MfKQ9r8GKYqrTwjU+PD8ILPZIo2LaLaSw`, 'whsec_***'],
    [`${'gsk'}_${'aB1'.repeat(17)}`, 'gsk_***'],
    [`${'SG'}.${'a'.repeat(22)}.${'b'.repeat(43)}`, 'SG.***'],
    [`${'ya29'}.a0AfH6SMBx-3kk_abcdef`, 'ya29.***'],
    [`${'dckr_pat'}_AbCdEfGhIjKlMnOpQrStUvWxYz0`, 'dckr_pat_***'],
    [
      `https://${'hooks.slack.com'}/services/T00000000/B00000000/XXXXXXXXXXXXXXXX ok`,
      'https://hooks.slack.com/services/*** ok',
    ],
    // And what does not stays.
    ['token: undefined, password=null', 'token: undefined, password=null'],
    [
      "{ authorization: undefined, cookie: null } Map(1) { 'token' => undefined }",
      "{ authorization: undefined, cookie: null } Map(1) { 'token' => undefined }",
    ],
    [
      'The design: hf_models of sg.example.com, cookies on',
      'The design: hf_models of sg.example.com, cookies on',
    ],
    ['used 512 tokens: fine', 'used 512 tokens: fine'],
    [
      'risk-management-department at https://user@example.com/a:b',
      'risk-management-department at https://user@example.com/a:b',
    ],
    ['npm_package_version', 'npm_package_version'],
    ['sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH', 'sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH'],
    ['Rendering notes/secrets.md at 12:30', 'Rendering notes/secrets.md at 12:30'],
  ])('%s', async (text, shown) => {
    const heartbeat = start({ interval: 60, key: own });
    heartbeat.log.info(text);
    await heartbeat.flush();
    expect(messages()).toEqual([shown]);
  });

  it('is masked wherever a worker writes words, not only in its log', async () => {
    const { heartbeat } = start({
      interval: 1,
      metadata: { note: 'password=hunter2', deep: [{ apiKey: 'hunter2', count: 2 }], dbPassword: 'hunter2' },
    });
    await heartbeat
      .job({ id: 'token=hunter2' }, () => Promise.reject(new Error('postgres://me:hunter2@db')))
      .catch(() => {});
    heartbeat.setStatus('secret: hunter2');
    heartbeat.nextRun(Date.now() + 1000, 'pwd=hunter2');
    await world.last({
      current_status: 'secret: ***',
      last_error: 'postgres://me:***@db',
      metadata: { note: 'password=***', deep: [{ apiKey: '***', count: 2 }], dbPassword: '***' },
    });
    await heartbeat.stop('token=hunter2');
    expect(world.recorder.requests.map(({ text }) => text).join()).not.toContain('hunter2');
  });

  it('takes no time to look for, also in what is made to take long', () => {
    const heartbeat = start({ interval: 3600 });
    const parts = [
      'a',
      'eyJ',
      'eyJ.',
      '-eyJ',
      'sk-',
      '://:',
      '://a:',
      'bearer ',
      'password',
      '\u001b[',
      '\u001b];a',
      'password=',
      'cookie: ',
      'authorization: a, ',
      '--',
      '--token ',
      "'token',",
      'token=[',
      "token='\\",
      'token   ',
      'SG.',
      'sk-aaaaaaaaaaaa.',
      'hooks.slack.com/a/',
      '"\\',
      ' ',
    ];
    const begun = '-----BEGIN ';
    const began = performance.now();
    for (const part of [...parts, begun, `${begun}PRIVATE KEY-----`, 'token=\\"', "key='"])
      for (const text of [part.repeat(8_000 / part.length), `${part}${'a'.repeat(8_000)}`])
        for (let n = 0; n < 6; n++) heartbeat.log.info(text);
    const taken = performance.now() - began;
    return heartbeat.flush().then(() => {
      expect(taken).toBeLessThan(500);
      expect(performance.now() - began).toBeLessThan(3_000);
    });
  });
});

describe('the console, where it is captured', () => {
  /** What is printed meanwhile. */
  async function printed(work: () => unknown) {
    const lines: unknown[][] = [];
    const methods = ['debug', 'log', 'info', 'warn', 'error'] as const;
    const before = methods.map((method) => console[method]);
    for (const method of methods) console[method] = (...values) => void lines.push(values);
    try {
      await work();
    } finally {
      methods.forEach((method, index) => (console[method] = before[index]!));
    }
    return lines;
  }

  it('is printed as before and sent, each method with its level, until the worker stops', async () => {
    const lines = await printed(async () => {
      const ours = console.log;
      const heartbeat = start({ interval: 60, captureConsole: true, level: 'debug' });
      console.log('Hello %s', 'world', { n: 1 });
      console.debug('debugging');
      console.info('informing');
      console.warn('warning');
      console.error(new Error('failing'));
      await heartbeat.stop();
      expect(console.log).toBe(ours);
      console.log('after');
    });
    expect(lines).toEqual([
      ['Hello %s', 'world', { n: 1 }],
      ['debugging'],
      ['informing'],
      ['warning'],
      [new Error('failing')],
      ['after'],
    ]);
    expect(world.recorder.log().map(({ level, message }) => [level, message.split('\n')[0]])).toEqual([
      ['info', 'Hello world { n: 1 }'],
      ['debug', 'debugging'],
      ['info', 'informing'],
      ['warn', 'warning'],
      ['error', 'Error: failing'],
    ]);
  });

  it('never goes round in a circle: not by its own logger, nor by what is shown', async () => {
    world.recorder.fault = (_, response) => response.writeHead(401).end('{"message":"No"}');
    const lines = await printed(async () => {
      const heartbeat = start({
        interval: 1,
        captureConsole: true,
        logger: { warn: (line) => console.log(`logger: ${line}`) },
      });
      const noisy = {
        [Symbol.for('nodejs.util.inspect.custom')]: () => (console.log('again', noisy), 'noisy'),
      };
      console.log(noisy);
      await beats(1);
      world.recorder.fault = undefined;
      await heartbeat.stop();
    });
    await until(() => world.recorder.log().length);
    expect(messages()).toEqual(['noisy']);
    expect(lines.flat().filter((line) => /logger/.test(String(line)))).toHaveLength(1);
  });

  it('stays with whoever has replaced it since, and is taken from no more', async () => {
    await printed(async () => {
      const heartbeat = start({ interval: 60, captureConsole: true });
      const captured = console.log;
      console.log = (...values) => captured('[app]', ...values);
      console.log('one');
      await heartbeat.stop();
      console.log('two');
      const again = start({ name: 'again', interval: 60, captureConsole: true });
      console.log('three');
      await again.stop();
    });
    expect(messages()).toEqual(['[app] one']);
    expect(messages(world.recorder.log('again'))).toEqual(['three']);
  });

  it('is not touched unless it is asked for', () => {
    const { log } = console;
    start();
    expect(console.log).toBe(log);
  });
});

describe('the last lines of a process', () => {
  let fleet: TestFleet;
  afterEach(() => fleet.end());
  const run = async (HOW: string, env = {}) => {
    fleet = await createFleet();
    const worker = fleet.start('talkative', { env: { HOW, ...env } });
    await worker.exited;
    await until(() => /stopped|crashed/.test(fleet.recorder.last('talkative')?.status ?? ''));
    return { worker, log: fleet.recorder.log('talkative'), last: fleet.recorder.last('talkative')! };
  };

  it.each([
    ['emptied', 'stopped'],
    ['exit', 'crashed'],
    ['exception', 'crashed'],
    ['SIGTERM', 'stopped'],
  ])('go with its last words: %s', async (how, status) => {
    const { log, last, worker } = await run(how);
    expect(last.status).toBe(status);
    expect(log.at(-1)).toMatchObject({ level: 'error', message: 'last line, password=***' });
    expect(worker.output()).toContain('last line, password=hunter2');
  });

  it('are the newest that fit, where an exit leaves no time; the rest is counted', async () => {
    const { log, last } = await run('exit', { LINES: '400' });
    expect(log.at(-1)?.message).toBe('last line, password=***');
    expect(log.length).toBeGreaterThan(20);
    expect(last.logs_dropped).toBe(401 - log.length);
    expect(log.map(({ line }) => line)).toEqual(log.map((_, n) => 401 - log.length + 1 + n));
  });

  it('are all of them where there is time', async () => {
    const { log } = await run('SIGTERM', { LINES: '400' });
    expect(log).toHaveLength(401);
  });

  it('are there of a worker whose code is not touched, by WORKER_CAPTURE_CONSOLE', async () => {
    fleet = await createFleet();
    const worker = fleet.start('plain', {
      env: { WORKER_NAME: 'plain', LIFE_MS: '500', WORKER_CAPTURE_CONSOLE: 'on' },
      nodeOptions: ['heartbeat', 'heartbeat-logs'].flatMap((name) => [
        '--import',
        new URL(`../../workers-heartbeat/${name}.mjs`, import.meta.url).href,
      ]),
    });
    await worker.exited;
    // Not what it writes while it is loaded: the module starts after that.
    expect(messages(fleet.recorder.log('plain'))).toEqual(['done']);
  });
});
