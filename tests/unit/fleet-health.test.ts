import { describe, expect, it } from 'vitest';
import { workerHealth, type Watch } from '../../src/lib/fleet/health.ts';
import type { WorkerRow } from '../../src/lib/fleet/worker.ts';
import { before, NOW, worker } from '../support/fleet.ts';

const watch: Watch = { at: NOW, watchingSince: new Date(before(86_400)), impairedSince: null };

function judge(traits: Partial<WorkerRow>, change: Partial<Watch> = {}) {
  const { level, rule, reason } = workerHealth(worker(traits), { ...watch, ...change });
  return { level, rule, reason };
}

/** Just short of so many seconds ago. */
const almost = (seconds: number) => before(seconds - 0.001);

describe('a worker is inactive', () => {
  it('while it is paused, whatever else is wrong with it', () => {
    const paused = { paused_until: before(-1), paused_reason: 'the sale', status: 'crashed' } as const;
    expect(judge(paused)).toEqual({ level: 'inactive', rule: 'paused', reason: 'the sale' });
    expect(judge({ ...paused, paused_until: 'infinity' }).level).toBe('inactive');
    expect(judge({ ...paused, paused_until: before(0) }).level).toBe('critical');
  });

  it('when it stopped and nobody expects it', () => {
    expect(judge({ status: 'stopped', expected: false, status_since: before(9999) }).level).toBe('inactive');
  });
});

describe('a worker is unknown', () => {
  it('when it never reported', () => {
    const never = { status: 'unknown', last_heartbeat: undefined, lease_expires_at: undefined } as const;
    expect(judge(never)).toEqual({ level: 'unknown', rule: 'never-reported', reason: 'never reported' });
  });

  it('when it fell silent past its lease while the watch was impaired: nobody is accused', () => {
    const silent = { last_heartbeat: before(50), lease_expires_at: before(0) };
    const impairedSince = new Date(before(40));
    expect(judge(silent, { impairedSince })).toEqual({
      level: 'unknown',
      rule: 'not-watched',
      reason: 'not watched since 2026-11-22 11:59:20 UTC',
    });
    expect(judge({ ...silent, lease_expires_at: before(-0.001) }, { impairedSince }).level).not.toBe(
      'unknown',
    );
  });
});

describe('a worker is critical', () => {
  it('when it crashed, with its last words', () => {
    const crashed = { status: 'crashed', status_reason: 'uncaughtException: out of paper' } as const;
    const told = { level: 'critical', rule: 'crashed', reason: 'uncaughtException: out of paper' };
    expect(judge(crashed)).toEqual(told);
    // Last words are a beat: the status is as old as the last of them.
    expect(judge({ ...crashed, last_heartbeat: before(34), status_since: before(34) })).toEqual(told);
    expect(judge({ ...crashed, status_since: before(0), last_exit: { code: 1 } })).toEqual(told);
  });

  it('when it was found crashed by its silence, which goes on', () => {
    const found = { status: 'crashed', status_reason: 'no heartbeat for 10 seconds' } as const;
    const times = { last_heartbeat: before(34), status_since: before(24) };
    expect(judge({ ...found, ...times })).toEqual({
      level: 'critical',
      rule: 'crashed',
      reason: 'no heartbeat for 34 seconds',
    });
    const [seen, deadline] = [before(34), before(34 - 0.001)];
    expect(judge({ ...found, last_heartbeat: seen, status_since: deadline }).reason).toMatch(/34 seconds/);
    expect(workerHealth(worker({ ...found, ...times }), watch).silentSince).toEqual(new Date(before(34)));
  });

  it('when it stopped though expected, after a minute and not before', () => {
    const stopped = { status: 'stopped', lease_expires_at: undefined } as const;
    expect(judge({ ...stopped, status_since: before(60) }).level).toBe('critical');
    expect(judge({ ...stopped, status_since: almost(60) }).level).toBe('warning');
  });

  it.each([
    ['SIGTERM', 'stopped by SIGTERM 2 minutes ago, but expected to run'],
    ['exit code 0', 'stopped with exit code 0 2 minutes ago, but expected to run'],
    ['moving house', 'stopped 2 minutes ago, but expected to run: moving house'],
    [undefined, 'stopped 2 minutes ago, but expected to run'],
  ])('after a stop for %s, in words', (status_reason, words) => {
    expect(judge({ status: 'stopped', status_since: before(120), status_reason }).reason).toBe(words);
  });

  it('at exactly five intervals of silence', () => {
    expect(judge({ last_heartbeat: before(50) })).toMatchObject({
      level: 'critical',
      rule: 'silent',
      reason: 'no heartbeat for 50 seconds',
    });
    expect(judge({ last_heartbeat: almost(50) }).level).toBe('warning');
  });

  it('by its own multiples, where it has some', () => {
    expect(judge({ last_heartbeat: before(30), lost_after_intervals: 3 }).level).toBe('critical');
    expect(
      judge({ last_heartbeat: before(90), late_after_intervals: 9.5, lost_after_intervals: 20 }).level,
    ).toBe('healthy');
  });

  it('when its breaker is open, also where a plain upsert set only the flag', () => {
    const open = { circuit_breaker_state: 'open', circuit_breaker_failures: 10 } as const;
    expect(judge(open).reason).toBe('circuit breaker open after 10 failures in a row');
    expect(judge({ circuit_breaker_open: true }).rule).toBe('breaker-open');
  });

  it('when its last run failed or had errors', () => {
    expect(judge({ status: 'error', status_reason: 'ECONNREFUSED' }).reason).toBe('ECONNREFUSED');
    expect(judge({ last_run_errors: 1 }).reason).toBe('1 error in the last run');
    expect(judge({ last_run_errors: 0 }).level).toBe('healthy');
  });

  it('when it beats but has finished no run for five poll intervals', () => {
    const polling = { poll_interval_s: 10 };
    expect(judge({ ...polling, last_run_at: before(50) })).toMatchObject({
      level: 'critical',
      rule: 'stuck',
    });
    expect(judge({ ...polling, last_run_at: almost(50) }).level).toBe('warning');
  });

  it('when a schedule is overdue by more than its grace, or there is none', () => {
    const scheduled = { kind: 'scheduled', next_run_at: before(30) } as const;
    expect(judge({ ...scheduled, lease_expires_at: before(0) })).toMatchObject({
      level: 'critical',
      rule: 'overdue',
      reason: 'overdue by 30 s',
    });
    expect(judge({ ...scheduled, lease_expires_at: before(-0.001) })).toMatchObject({
      level: 'warning',
      rule: 'due',
    });
    const early = { ...scheduled, next_run_at: before(-0.001) };
    expect(judge({ ...early, lease_expires_at: before(30) }).level).toBe('healthy');
    expect(judge({ kind: 'scheduled' }).rule).toBe('not-scheduled');
  });

  it('not for silence between the runs of a schedule', () => {
    const waiting = { kind: 'scheduled', last_heartbeat: before(9999), next_run_at: before(-1) } as const;
    expect(judge({ ...waiting, lease_expires_at: before(-60) }).level).toBe('healthy');
  });

  it('not for a silence that was ours: it counts from the start of the watch', () => {
    const silent = { last_heartbeat: before(500), lease_expires_at: before(-1) };
    expect(judge(silent, { watchingSince: new Date(almost(20)) }).level).toBe('healthy');
    expect(judge(silent, { watchingSince: new Date(before(20)) }).level).toBe('warning');
    expect(judge(silent, { watchingSince: new Date(before(50)) }).level).toBe('critical');
  });

  it('not for runs that it owes from before it was started', () => {
    const restarted = { poll_interval_s: 10, last_run_at: before(9999), started_at: almost(20) };
    expect(judge(restarted).level).toBe('healthy');
  });
});

describe('a worker is in warning', () => {
  it.each(['starting', 'stopping'] as const)('while it is %s', (status) => {
    expect(judge({ status }).level).toBe('warning');
  });

  it('when it has only just stopped, and says by what', () => {
    const stopped = { status: 'stopped', status_since: before(1) } as const;
    expect(judge({ ...stopped, status_reason: 'SIGTERM' }).reason).toBe('stopped by SIGTERM');
    expect(judge({ ...stopped, status_reason: 'exit code 0' }).reason).toBe('stopped with exit code 0');
    expect(judge({ ...stopped, status_reason: 'moving house' }).reason).toBe('moving house');
    expect(judge({ status: 'stopping', status_reason: 'SIGINT' }).reason).toBe('asked to stop by SIGINT');
  });

  it('at exactly two intervals of silence', () => {
    expect(judge({ last_heartbeat: before(20) })).toMatchObject({ level: 'warning', rule: 'late' });
    expect(judge({ last_heartbeat: almost(20) }).level).toBe('healthy');
  });

  it('when no run was finished for two poll intervals, or none yet', () => {
    expect(judge({ poll_interval_s: 10, last_run_at: before(20) }).rule).toBe('run-late');
    expect(judge({ poll_interval_s: 10, last_run_at: almost(20) }).level).toBe('healthy');
    expect(judge({ poll_interval_s: 10, started_at: before(1) }).rule).toBe('no-run-yet');
  });

  it('while its breaker tries again', () => {
    expect(judge({ circuit_breaker_state: 'half_open' }).rule).toBe('breaker-half-open');
  });

  it('when its event loop stood still', () => {
    expect(judge({ event_loop_blocked_ms: 2_340 }).reason).toBe('event loop blocked for 2.3 s');
    expect(judge({ event_loop_blocked_ms: 1_000 }).level).toBe('healthy');
  });
});

describe('a worker is healthy', () => {
  it.each(['idle', 'processing', 'running'] as const)('while it is %s and heard of', (status) => {
    expect(judge({ status })).toEqual({ level: 'healthy', rule: 'fine', reason: '' });
  });

  it('though it is busy: CPU and memory have levels of their own', () => {
    expect(judge({ cpu_percent: 400, memory_percent: 99 }).level).toBe('healthy');
  });
});

describe('the first rule that matches wins', () => {
  it('crashed before breaker, breaker before error, critical before starting', () => {
    const broken = { circuit_breaker_state: 'open', last_run_errors: 3 } as const;
    expect(judge({ ...broken, status: 'crashed' }).rule).toBe('crashed');
    expect(judge({ ...broken, status: 'error' }).rule).toBe('breaker-open');
    expect(judge({ ...broken, status: 'starting' }).rule).toBe('breaker-open');
  });
});
