import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { startGate } from './fixtures/gate.ts';
import { startResource, type Deed } from './fixtures/resource.ts';

/** The workers beat every second, so that their leases last for five. */
const LEASE_MS = 5_000;
/** For a loaded machine to get round to things. */
const SLACK_MS = 15_000;

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({ tickEvery: 1_000 });
});
afterAll(() => stack.stop());

let names = 0;
/** The resource and the workers of one test: the tests wait for most of their time, so they do it together. */
async function createWorld({ onTestFinished }: TestContext) {
  const resource = await startResource();
  const running: TestProcess[] = [];
  onTestFinished(async () => {
    await Promise.all(running.map((one) => one.end()));
    await resource.close();
  });
  return {
    resource,
    running,
    start(key: string, env: Record<string, string> = {}) {
      const script = fileURLToPath(new URL('./fixtures/workers/lessee.mjs', import.meta.url));
      const worker = startProcess(script, {
        env: {
          SUPABASE_URL: stack.url,
          SUPABASE_SECRET_KEY: stack.secretKey,
          WORKER_NAME: `lessee-${++names}`,
          RESOURCE: resource.url,
          KEY: key,
          ...env,
        },
      });
      running.push(worker);
      return worker;
    },
    /** Resolves with the first entry by this process, or after this time. */
    entered: (by?: number, after = 0) =>
      until(() => resource.entries().find(({ pid, at }) => at > after && (!by || pid === by)), {
        timeout: 40_000,
        what: `an entry by ${by ?? 'anybody'}`,
      }),
  };
}
const held = async (key: string) =>
  (await stack.database.sql`select worker_name from public.hp_job_lease where key = ${key}`).length > 0;

/** Nobody did anything between somebody's first deed and last, and tokens only grew. */
function expectOneAtATime(deeds: Deed[]) {
  const holders = deeds.map(({ token }) => token).filter((token, n, all) => token !== all[n - 1]);
  expect(holders).toEqual([...new Set(holders)].sort((a, b) => a - b));
  for (const token of new Set(holders)) {
    expect(new Set(deeds.filter((deed) => deed.token === token).map(({ pid }) => pid)).size).toBe(1);
  }
}

describe.concurrent('a lease', () => {
  it('is never held by two of many processes that fight over it, and whoever holds it is killed in vain', async (context) => {
    const { resource, running, start, entered } = await createWorld(context);
    for (let n = 0; n < 4; n++) start('fight');
    for (let kills = 0; kills < 2; kills++) {
      const before = resource.entries().length;
      await until(() => resource.entries().length > before + 5, { what: 'a lively fight', timeout: 40_000 });
      const holder = await until(() => {
        const last = resource.deeds.at(-1);
        return last?.what === 'work' && running.find(({ pid }) => pid === last.pid);
      });
      await holder.end('SIGKILL');
      const killedAt = performance.now();
      start('fight');
      // The killed one was heard a second ago at most.
      const next = await entered(undefined, killedAt);
      expect(next.pid).not.toBe(holder.pid);
      // Between two jobs of a worker there is a moment in which it holds nothing: then it moves at once.
      expect(next.at - killedAt).toBeLessThan(LEASE_MS + SLACK_MS);
    }
    expect(resource.deeds.filter(({ fenced }) => fenced)).toEqual([]);
    expectOneAtATime(resource.deeds);
  });

  it('whose holder is killed moves when its five seconds are over, not before, and the tick clears it away', async (context) => {
    const { resource, start, entered } = await createWorld(context);
    const holder = start('killed', { HOLD_MS: '60000' });
    await entered(holder.pid);
    await until(() => resource.deeds.length > 20, { timeout: 20_000 });
    await holder.end('SIGKILL');
    const killedAt = performance.now();
    const last = resource.deeds.at(-1)!;
    const other = start('killed', { HOLD_MS: '60000' });
    const next = await entered(other.pid);
    // It was heard within the second before, or two where the machine is busy.
    expect(next.at - last.at).toBeGreaterThan(LEASE_MS - 3_000);
    expect(next.at - killedAt).toBeLessThan(LEASE_MS + SLACK_MS);
    await other.end('SIGKILL');
    await until(async () => !(await held('killed')), { timeout: LEASE_MS + 1_000 + SLACK_MS });
  });

  it.for([
    ['is asked to end', 'SIGTERM', {}],
    ['crashes', undefined, { HOW: 'crash' }],
  ] as const)('whose holder %s moves at once', async ([, signal, how], context) => {
    const { resource, start, entered } = await createWorld(context);
    const key = `ended-${signal}`;
    // Its lease would last for fifty seconds, so that waiting for its end does not pass for at once.
    const holder = start(key, { HOLD_MS: '60000', INTERVAL_S: '10', ...how });
    await entered(holder.pid);
    const other = start(key, { HOLD_MS: '60000' });
    if (signal) {
      await other.wrote('"held":false', 20_000);
      await holder.end(signal);
    } else await holder.exited;
    const goneAt = performance.now();
    expect((await entered(other.pid)).at - goneAt).toBeLessThan(SLACK_MS);
    expectOneAtATime(resource.deeds);
  });

  it('whose holder is paused for longer than it lasts is fenced off when it wakes, and told', async (context) => {
    const { resource, start, entered } = await createWorld(context);
    const holder = start('paused', { HOLD_MS: '60000' });
    await entered(holder.pid);
    holder.child.kill('SIGSTOP');
    const other = start('paused', { HOLD_MS: '60000' });
    const taken = await entered(other.pid);
    holder.child.kill('SIGCONT');
    await until(() => resource.deeds.find(({ pid, what }) => pid === holder.pid && what === 'leave'), {
      timeout: 20_000,
    });
    expectOneAtATime(resource.done());
    const late = resource.deeds.filter(({ pid, at }) => pid === holder.pid && at > taken.at);
    expect(late.every(({ fenced }) => fenced)).toBe(true);
    expect(late.length).toBeLessThanOrEqual(3); // what was on its way, one more, and the leave
  });

  it('whose holder is cut off from the network has left it before another gets it', async (context) => {
    const { resource, start, entered } = await createWorld(context);
    const gate = await startGate(stack.url);
    try {
      const holder = start('cut', { HOLD_MS: '60000', SUPABASE_URL: gate.url });
      await entered(holder.pid);
      const other = start('cut', { HOLD_MS: '60000' });
      await other.wrote('"held":false', 20_000);
      gate.shut();
      const cutAt = performance.now();
      const next = await entered(other.pid);
      expect(next.at - cutAt).toBeLessThan(LEASE_MS + SLACK_MS);
      const left = resource.deeds.find(({ pid, what }) => pid === holder.pid && what === 'leave')!;
      expect(left.at).toBeLessThan(next.at);
      expectOneAtATime(resource.deeds);
      // Nor does it get another while nobody can be asked, and it gets one again when somebody can.
      await holder.wrote('no beat gets through', 20_000);
      gate.open();
      await other.end('SIGTERM');
      await entered(holder.pid, next.at);
    } finally {
      await gate.close();
    }
  });

  it('that the database has lost is lost to its holder with its next beat', async (context) => {
    const { resource, start, entered } = await createWorld(context);
    const holder = start('lost', { HOLD_MS: '60000' });
    await entered(holder.pid);
    await stack.database.sql`delete from public.hp_job_lease where key = 'lost'`;
    await until(() => resource.deeds.find(({ what }) => what === 'leave'), { timeout: 1_000 + SLACK_MS });
  });
});
