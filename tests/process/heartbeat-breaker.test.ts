import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { circuitBreaker, CircuitOpenError } from '../../workers-heartbeat/heartbeat-breaker.ts';
import { startHeartbeat } from './fixtures/heartbeat.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack.stop());

it('opens at the threshold, refuses, tries one job, and closes: in the row, and as events', async () => {
  const { sql } = stack.database;
  const heartbeat = startHeartbeat({
    name: 'breaking',
    url: stack.url,
    key: stack.secretKey,
    interval: 1,
  });
  const breaker = circuitBreaker(heartbeat, { threshold: 3, cooldown: 2 });
  const row = (columns: Record<string, unknown>) =>
    until(async () => {
      const [found] = await sql`select * from public.hp_worker_status where worker_name = 'breaking'`;
      expect(found).toMatchObject(columns);
      return found;
    });
  const fail = () => Promise.reject(new Error('no such host'));
  try {
    for (let n = 0; n < 2; n++) await heartbeat.job(fail).catch(() => {});
    await row({ circuit_breaker_state: 'closed', circuit_breaker_failures: 2, circuit_breaker_threshold: 3 });
    await heartbeat.job(fail).catch(() => {});
    const open = await row({
      circuit_breaker_state: 'open',
      circuit_breaker_open: true,
      circuit_breaker_failures: 3,
      circuit_breaker_reason: 'no such host',
      status: 'idle', // failing work is not a failing worker
    });
    expect(open.circuit_breaker_retry_at - open.circuit_breaker_opened_at).toBeGreaterThan(1_900);
    expect(open.circuit_breaker_retry_at - open.circuit_breaker_opened_at).toBeLessThan(2_100);

    const refused = await heartbeat.job(() => expect.unreachable()).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(CircuitOpenError);
    expect(
      Math.abs(
        (refused as InstanceType<typeof CircuitOpenError>).retryAt.getTime() - open.circuit_breaker_retry_at,
      ),
    ).toBeLessThan(500);

    await until(() => Date.now() > breaker.retryAt!.getTime());
    let finish = () => {};
    const trial = heartbeat.job(() => new Promise<void>((done) => (finish = done)));
    await row({ circuit_breaker_state: 'half_open', circuit_breaker_open: false });
    const rivals = await Promise.allSettled([1, 2, 3].map(() => heartbeat.job(() => expect.unreachable())));
    expect(rivals.every((one) => one.status === 'rejected' && one.reason instanceof CircuitOpenError)).toBe(
      true,
    );
    finish();
    await trial;
    await row({
      circuit_breaker_state: 'closed',
      circuit_breaker_failures: 0,
      circuit_breaker_reason: null,
      circuit_breaker_retry_at: null,
      jobs_processed: '1',
      error_count: '3', // what was refused is no error
    });

    const events = await sql`
      select from_value, to_value, reason, details from public.hp_worker_event
      where worker_name = 'breaking' and type = 'breaker' order by id`;
    expect([...events]).toEqual([
      {
        from_value: 'closed',
        to_value: 'open',
        reason: 'no such host',
        details: { failures: 3, threshold: 3 },
      },
      expect.objectContaining({ from_value: 'open', to_value: 'half_open' }),
      expect.objectContaining({ from_value: 'half_open', to_value: 'closed' }),
    ]);
  } finally {
    await heartbeat.stop();
  }
});
