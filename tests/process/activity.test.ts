import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listen, type Listening } from '../support/listen.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

/** With the settings that a hosted project has, not those of the local stack. */
let stack: TestStack;
let worker: TestProcess;
let page: Listening;
beforeEach(async () => {
  stack = await startTestStack({ tickEvery: 1000 });
  const alice = await stack.asOwner();
  page = await listen(alice, 'hp:fleet', { private: true });
  expect((await alice.rpc('hp_watch')).error).toBeNull();
});
afterEach(async () => {
  await worker?.end();
  await stack.stop();
});

const start = async () => {
  const script = fileURLToPath(new URL('./fixtures/workers/busy.mjs', import.meta.url));
  worker = startProcess(script, {
    env: { SUPABASE_URL: stack.url, SUPABASE_SECRET_KEY: stack.secretKey },
    channel: true,
  });
  await until(async () => (await row())?.jobs > 100, { what: 'a busy worker' });
};
const tell = async (message: string) => {
  const answered = once(worker.child, 'message') as Promise<[{ at: number }]>;
  worker.child.send(message);
  const [{ at }] = await answered;
  return at;
};
interface Row {
  sequence: number;
  jobs: number;
  current_status: string | null;
  status: string;
  seen_at: number;
}
const row = async () => {
  const [found] = await stack.database.sql`
    select sequence::int, jobs_processed::int as jobs, current_status, status,
      extract(epoch from activity_seen_at)::float8 * 1000 as seen_at
    from hp_worker_status where worker_name = 'busy'`;
  return found as Row;
};
const countEvents = async () =>
  (await stack.database.sql`select from hp_worker_event where worker_name = 'busy'`).length;

/** When a message that satisfies this was sent, by the server's clock. */
const sent = (event: string, holds: (text: string) => boolean) =>
  until(
    async () => {
      const rows = await stack.database.sql`
        select payload::text as text, extract(epoch from inserted_at at time zone 'utc')::float8 * 1000 as at
        from realtime.messages where event = ${event} order by inserted_at`;
      return rows.find((message) => holds(message.text as string))?.at as number | undefined;
    },
    { timeout: 60_000, what: `a message of ${event}` },
  );
const heard = (text: string) =>
  until(() => page.broadcasts.find(({ payload }) => JSON.stringify(payload).includes(text)), {
    what: `${text} on the page`,
  });

describe('a worker with 200 jobs a second, each with another status text', () => {
  it('beats once a second, is told once a second, writes no events, and its last word is there in time', async () => {
    await start();
    const before = { at: Date.now(), events: await countEvents(), ...(await row()) };
    const toldBefore = page.broadcasts.length;
    await sleep(4_000); // what it may do in a time, not what it must have done by one
    const after = { at: Date.now(), events: await countEvents(), ...(await row()) };
    const seconds = (after.at - before.at) / 1000;
    expect(after.jobs - before.jobs).toBeGreaterThan(50 * seconds);
    expect(after.sequence - before.sequence).toBeLessThanOrEqual(Math.ceil(seconds) + 1);
    expect(after.sequence - before.sequence).toBeGreaterThanOrEqual(2);
    expect(after.events).toBe(before.events);
    expect(page.broadcasts.length - toldBefore).toBeLessThanOrEqual(Math.ceil(seconds) + 1);

    const at = await tell('rest');
    await heard('The last word');
    expect(await row()).toMatchObject({ current_status: 'The last word' });
    expect((await row()).seen_at - at).toBeLessThan(1_500);
    const told = await Promise.any(
      ['activity', 'digest'].map((event) => sent(event, (text) => text.includes('The last word'))),
    );
    expect(told - at).toBeLessThan(1_500);
  });

  it('tells a transition in between at once', async () => {
    await start();
    const at = await tell('fail');
    const told = await sent('transition', (text) => text.includes('a failed run'));
    expect(told - at).toBeLessThan(700);
    await heard('a failed run');
  });

  it('has its last word told with the next digest where the store of messages is used up', async () => {
    await stack.database.sql`update hp_setting set value = '0' where key = 'activity_store'`;
    await stack.database.sql`update hp_setting set value = '2' where key = 'digest_every_s'`;
    await start();
    const at = await tell('rest');
    await until(async () => (await row()).current_status === 'The last word');
    expect((await row()).seen_at - at).toBeLessThan(1_500);
    await sent('digest', (text) => text.includes('The last word'));
    const [activity] = await stack.database.sql`
      select count(*)::int as n from realtime.messages where event = 'activity'`;
    expect(activity!.n).toBe(0);
  });
});
