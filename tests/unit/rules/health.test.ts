import { describe, expect, it } from 'vitest';
import { workerHealth } from '../../../src/lib/rules/health.ts';
import type { Monitor } from '../../../src/lib/rules/monitor.ts';
import type { Pause } from '../../../src/lib/rules/pause.ts';
import type { WorkerRow } from '../../../src/lib/rules/worker.ts';
import { before, NOW, worker } from '../../support/fleet.ts';

const monitor: Monitor = { at: NOW, watchingSince: new Date(before(86_400)), impairedSince: null };

function judge(traits: Partial<WorkerRow>, change: Partial<Monitor> = {}, group?: Pause) {
  const { level, rule, reason } = workerHealth(worker(traits), { ...monitor, ...change }, group);
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

  it('while its group is paused', () => {
    const until = (pausedUntil: string, pausedReason: string | null = null) => ({
      pausedUntil: new Date(pausedUntil),
      pausedReason,
    });
    const crashed = { status: 'crashed', status_reason: 'boom' } as const;
    expect(judge(crashed, {}, until(before(-0.001)))).toEqual({
      level: 'inactive',
      rule: 'paused',
      reason: 'its group is paused',
    });
    expect(judge(crashed, {}, until(before(-9), 'the sale')).reason).toBe('the sale');
    expect(judge(crashed, {}, until(before(0))).level).toBe('critical');
    const own = { ...crashed, paused_until: 'infinity', paused_reason: 'moving' };
    expect(judge(own, {}, until(before(-9), 'the sale')).reason).toBe('moving');
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

  it('when it fell silent past its lease while the monitor was impaired: it is not marked crashed', () => {
    const silent = { last_heartbeat: before(50), lease_expires_at: before(0) };
    const impairedSince = new Date(before(40));
    expect(judge(silent, { impairedSince })).toEqual({
      level: 'unknown',
      rule: 'not-monitored',
      reason: 'not monitored since 2026-11-22 11:59:20 UTC',
    });
    expect(judge({ ...silent, lease_expires_at: before(-0.001) }, { impairedSince }).level).not.toBe(
      'unknown',
    );
  });
});

describe('a scheduled worker while the monitor is impaired', () => {
  const impairedSince = new Date(before(40));
  it.each(['idle', 'stopped', 'running'] as const)('is unknown past its lease though %s', (status) => {
    const missed = {
      kind: 'scheduled',
      status,
      next_run_at: before(400),
      lease_expires_at: before(0),
    } as const;
    expect(judge(missed, { impairedSince }).rule).toBe('not-monitored');
    expect(judge(missed).rule).toBe('overdue');
  });
});

describe('a worker is critical', () => {
  it('when it crashed, with its exit report', () => {
    const crashed = { status: 'crashed', status_reason: 'uncaughtException: out of paper' } as const;
    const told = { level: 'critical', rule: 'crashed', reason: 'uncaughtException: out of paper' };
    expect(judge(crashed)).toEqual(told);
    // An exit report is a beat: the status is as old as the last beat.
    expect(judge({ ...crashed, last_heartbeat: before(34), status_since: before(34) })).toEqual(told);
    expect(judge({ ...crashed, status_since: before(0), last_exit: { code: 1 } })).toEqual(told);
  });

  it('when its silence shows a crash, and the silence goes on', () => {
    const found = { status: 'crashed', status_reason: 'no heartbeat for 10 seconds' } as const;
    const times = { last_heartbeat: before(34), status_since: before(24) };
    expect(judge({ ...found, ...times })).toEqual({
      level: 'critical',
      rule: 'crashed',
      reason: 'no heartbeat for 34 seconds',
    });
    const [seen, deadline] = [before(34), before(34 - 0.001)];
    expect(judge({ ...found, last_heartbeat: seen, status_since: deadline }).reason).toMatch(/34 seconds/);
    expect(workerHealth(worker({ ...found, ...times }), monitor).silentSince).toEqual(new Date(before(34)));
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

  it('by its own multiples, if set', () => {
    expect(judge({ last_heartbeat: before(30), lost_after_intervals: 3 }).level).toBe('critical');
    expect(
      judge({ last_heartbeat: before(90), late_after_intervals: 9.5, lost_after_intervals: 20 }).level,
    ).toBe('healthy');
  });

  it('when its breaker is open, also if a plain upsert set only the flag', () => {
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
    expect(judge({ ...polling, last_run_at: before(50) })).toEqual({
      level: 'critical',
      rule: 'stuck',
      reason: 'alive, but no run for 50 seconds (polls every 10)',
    });
    expect(judge({ ...polling, last_run_at: almost(50) })).toMatchObject({
      level: 'warning',
      reason: 'no run for 49 seconds (polls every 10)',
    });
  });

  it.each([
    [120, 'alive, but no run for 12 minutes (polls every 2)'],
    [45, 'alive, but no run for 12 minutes (polls every 45 seconds)'],
    [90, 'alive, but no run for 12 minutes (polls every 90 seconds)'],
    [0.5, 'alive, but no run for 12 minutes (polls every 0.5 seconds)'],
  ])('and says how often it polls: every %f s', (poll_interval_s, reason) => {
    expect(judge({ poll_interval_s, last_run_at: before(720), started_at: before(9999) }).reason).toBe(
      reason,
    );
  });

  it('when a schedule is overdue by more than its grace, or there is none', () => {
    const scheduled = { kind: 'scheduled', next_run_at: before(30) } as const;
    expect(judge({ ...scheduled, lease_expires_at: before(0) })).toMatchObject({
      level: 'critical',
      rule: 'overdue',
      reason: 'overdue by 30 seconds',
    });
    expect(judge({ ...scheduled, lease_expires_at: before(-0.001) })).toMatchObject({
      level: 'warning',
      rule: 'due',
    });
    const early = { ...scheduled, next_run_at: before(-0.001) };
    expect(judge({ ...early, lease_expires_at: before(30) }).level).toBe('healthy');
    expect(judge({ kind: 'scheduled' }).rule).toBe('not-scheduled');
  });

  it('when a run of a schedule has outlasted its lease, and not before', () => {
    const running = { kind: 'scheduled', status: 'processing', max_run_s: 5400 } as const;
    const waited = { ...running, next_run_at: before(9999), last_heartbeat: before(5400) };
    expect(judge({ ...waited, lease_expires_at: before(0) })).toEqual({
      level: 'critical',
      rule: 'overdue',
      reason: 'its run has lasted longer than 90 minutes',
    });
    expect(judge({ ...waited, lease_expires_at: before(-0.001) }).level).toBe('healthy');
  });

  it('when the tick found a schedule overdue, in its words', () => {
    const found = { kind: 'scheduled', status: 'crashed', status_since: before(60) } as const;
    expect(
      judge({ ...found, last_heartbeat: before(9999), status_reason: 'overdue: due 11:54 UTC' }),
    ).toEqual({ level: 'critical', rule: 'overdue', reason: 'overdue: due 11:54 UTC' });
    const lastText = { ...found, last_heartbeat: before(60), status_reason: 'uncaughtException: no disk' };
    expect(judge(lastText).rule).toBe('crashed');
  });

  it('not for a run during our outage: it may have happened, and has until the next time', () => {
    const hourly = {
      kind: 'scheduled',
      last_heartbeat: before(7200),
      next_run_at: before(3600),
      grace_s: 300,
    };
    const missed = { ...hourly, kind: 'scheduled', lease_expires_at: before(3300) } as const;
    expect(judge(missed, { watchingSince: new Date(before(3600)) })).toMatchObject({
      level: 'warning',
      rule: 'due',
      reason: 'due 1 hour ago',
    });
    expect(judge(missed, { watchingSince: new Date(before(3600.001)) }).rule).toBe('overdue');
    const watchedAgain = { watchingSince: new Date(before(60)), at: new Date(before(60 - 3900)) };
    expect(judge(missed, watchedAgain).rule).toBe('overdue');
    expect(judge(missed, { ...watchedAgain, at: new Date(before(60.001 - 3900)) }).rule).toBe('due');
  });

  it('not for silence between the runs of a schedule', () => {
    const waiting = { kind: 'scheduled', last_heartbeat: before(9999), next_run_at: before(-1) } as const;
    expect(judge({ ...waiting, lease_expires_at: before(-60) }).level).toBe('healthy');
  });

  it('not for silence during our outage: silence counts from the start of the monitor', () => {
    const silent = { last_heartbeat: before(500), lease_expires_at: before(-1) };
    expect(judge(silent, { watchingSince: new Date(almost(20)) }).level).toBe('healthy');
    expect(judge(silent, { watchingSince: new Date(before(20)) }).level).toBe('warning');
    expect(judge(silent, { watchingSince: new Date(before(50)) }).level).toBe('critical');
  });

  it('not with a short interval before a hanging request ends', () => {
    const quick = { heartbeat_interval_s: 1, last_heartbeat: before(500), lease_expires_at: before(495) };
    expect(judge(quick, { watchingSince: new Date(almost(11)) }).rule).toBe('late');
    expect(judge(quick, { watchingSince: new Date(before(11)) }).rule).toBe('silent');
  });

  it('not for runs before its start', () => {
    const restarted = { poll_interval_s: 10, last_run_at: before(9999), started_at: almost(20) };
    expect(judge(restarted).level).toBe('healthy');
  });
});

describe('a worker is in warning', () => {
  it.each(['starting', 'stopping'] as const)('while it is %s', (status) => {
    expect(judge({ status }).level).toBe('warning');
  });

  it('when it has just stopped, with the signal', () => {
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

  it('while it is drained, and then needs no runs', () => {
    const polls = { poll_interval_s: 10, last_run_at: before(500) };
    expect(judge({ ...polls, draining: true })).toMatchObject({ level: 'warning', rule: 'draining' });
    expect(judge(polls).rule).toBe('stuck');
  });

  it('while its breaker tries again', () => {
    expect(judge({ circuit_breaker_state: 'half_open' }).rule).toBe('breaker-half-open');
  });

  it('when its event loop was blocked', () => {
    expect(judge({ event_loop_blocked_ms: 8_340 }).reason).toBe('alive, event loop blocked for 8 s');
    expect(judge({ event_loop_blocked_ms: 1_000 }).level).toBe('healthy');
  });
});

describe('a worker is healthy', () => {
  it.each(['idle', 'processing', 'running'] as const)('while it is %s and reports', (status) => {
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
