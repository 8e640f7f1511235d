import { afterAll, beforeAll, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { listen } from '../support/listen.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({ tickEvery: 0 });
});
afterAll(() => stack?.stop());

const confidential = { private: true };
const shout = { type: 'broadcast' as const, event: 'wake-up', payload: {} };

it('a request wakes the process up that listens with the publishable key alone, and nobody can speak there', async () => {
  const worker = new Process(stack.database.sql, 'woken');
  await worker.send();
  const topic = `hp:wake-up:${worker.instance}`;
  const heard = await listen(stack.client(), topic, confidential);
  expect(heard.states).toEqual(['SUBSCRIBED']);

  for (const client of [stack.client(), await stack.as('mallory'), await stack.as('alice')]) {
    const speaker = await listen(client, topic, { ...confidential, broadcast: { ack: true } });
    expect(await speaker.channel.send(shout, { timeout: 200 })).toBe('timed out');
  }
  expect(heard.broadcasts).toEqual([]);

  const bob = await stack.as('bob');
  const { data, error, status } = await bob.rpc('hp_request_command', {
    worker_name: 'woken',
    command: 'beat',
    reason: 'a look',
  });
  expect([error, status]).toEqual([null, 200]);
  await until(() => heard.broadcasts.length);
  expect(heard.broadcasts).toMatchObject([{ event: 'wake-up' }]);
  expect((await worker.send()).commands).toMatchObject([
    { id: (data as { id: number }).id, command: 'beat' },
  ]);
});

it('a refusal comes as an error with its status and words, and stands in the log', async () => {
  await new Process(stack.database.sql, 'guarded').send();
  const request = { worker_name: 'guarded', command: 'restart', reason: 'curious' };
  const carol = await stack.as('carol');
  const refused = await carol.rpc('hp_request_command', request);
  expect([refused.status, refused.data]).toEqual([403, null]);
  expect(refused.error).toMatchObject({
    code: 'PT403',
    message: expect.stringContaining('only an operator'),
  });
  expect((await stack.client().rpc('hp_request_command', request)).error).toMatchObject({ code: '42501' });
  const bob = await stack.as('bob');
  expect(
    await bob.rpc('hp_pause', { worker_name: 'nobody', until: '2999-01-01', reason: 'x' }),
  ).toMatchObject({
    status: 404,
  });
  const { data } = await bob.rpc('hp_worker_commands', { worker_name: 'guarded' });
  expect(data).toMatchObject({ commands: [{ state: 'refused', requested_by: 'a viewer' }], more: false });
});

it('who looks at a worker hears its log; a stranger and the publishable key may not even listen', async () => {
  const worker = new Process(stack.database.sql, 'watched');
  await worker.send();
  const carol = await stack.as('carol');
  const heard = await listen(carol, 'hp:worker:watched', confidential);
  expect(heard.states).toEqual(['SUBSCRIBED']);
  for (const client of [stack.client(), await stack.as('mallory')])
    expect((await listen(client, 'hp:worker:watched', confidential)).states[0]).toBe('CHANNEL_ERROR');

  expect((await carol.rpc('hp_watch_worker', { worker_name: 'watched' })).error).toBeNull();
  expect(await worker.send({ logs: [[1, 0, 'warn', '<b>slow</b>']] })).toMatchObject({ logs_every_s: 1 });
  await until(() => heard.broadcasts.length);
  expect(heard.broadcasts[0]).toMatchObject({
    event: 'log',
    payload: { lines: [{ line: 1, message: '<b>slow</b>' }] },
  });
  const { data } = await carol.rpc('hp_worker_logs', { worker_name: 'watched', most: 10, level: 'warn' });
  expect(data).toMatchObject({ lines: [{ level: 'warn', message: '<b>slow</b>' }], more: false });
});
