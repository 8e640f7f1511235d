import { describe, expect, it } from 'vitest';
import { workerHealth } from '../../../src/lib/rules/health.ts';
import type { Monitor } from '../../../src/lib/rules/monitor.ts';
import { lastRunText, runText } from '../../../src/lib/rules/run-wording.ts';
import type { WorkerRow } from '../../../src/lib/rules/worker.ts';
import { before, NOW, worker } from '../../support/fleet.ts';

const monitor: Monitor = { at: NOW, watchingSince: new Date(before(86_400)), impairedSince: null };

/** The text and the tone for such a worker. */
function said(traits: Partial<WorkerRow>, change: Partial<Monitor> = {}): string {
  const one = worker(traits);
  const { text, tone } = runText(one, workerHealth(one, { ...monitor, ...change }), NOW.getTime());
  return `${text} ${tone}`;
}

const polls = { poll_interval_s: 600, last_run_at: before(300), started_at: before(9999) } as const;
const cron = {
  kind: 'scheduled',
  next_run_at: before(-3 * 3600),
  lease_expires_at: before(-3 * 3600 - 300),
} as const;

describe('the text of a polling worker shows', () => {
  it('when the last run was, and its count', () => {
    expect(said({ ...polls, processed_count: 12 })).toBe('5m ago (12 new) healthy');
    expect(said({ ...polls, processed_count: 12_345 })).toBe('5m ago (12,345 new) healthy');
    expect(said({ ...polls, last_run_at: before(0), processed_count: 1 })).toBe('just now (1 new) healthy');
  });

  it('idle after a run without results: its own tone, no warning', () => {
    expect(said({ ...polls, processed_count: 0 })).toBe('5m ago (idle) idle');
  });

  it('only the time without a count', () => {
    expect(said(polls)).toBe('5m ago healthy');
  });

  it('a run in progress', () => {
    expect(said({ ...polls, status: 'processing' })).toBe('running… healthy');
    expect(said({ ...polls, jobs_active: 1 })).toBe('running… healthy');
    // "running" alone says no more than "alive".
    expect(said({ ...polls, status: 'running', processed_count: 3 })).toBe('5m ago (3 new) healthy');
  });

  it('that it failed, and how often', () => {
    expect(said({ ...polls, status: 'error', circuit_breaker_failures: 2 })).toBe(
      'error (2 failures) critical',
    );
    expect(said({ ...polls, last_run_errors: 1 })).toBe('error (1 failure) critical');
    expect(said({ ...polls, status: 'error' })).toBe('error (see logs) critical');
    expect(said({ circuit_breaker_open: true, circuit_breaker_failures: 10 })).toBe(
      'error (10 failures) critical',
    );
  });

  it('that it is late, in a tone that fits', () => {
    expect(said({ ...polls, last_run_at: before(1200), processed_count: 0 })).toBe('20m ago (idle) warning');
    expect(said({ ...polls, last_run_at: before(3000), processed_count: 4 })).toBe(
      '50m ago (4 new) critical',
    );
    expect(said({ ...polls, last_run_at: undefined, started_at: before(1) })).toBe('no run yet warning');
  });
});

describe('the text of a scheduled worker shows', () => {
  it('how long until its next run', () => {
    expect(said(cron)).toBe('next 3h healthy');
    expect(said({ ...cron, status: 'stopped', expected: true })).toBe('next 3h healthy');
  });

  it('that it is due, and then overdue', () => {
    expect(said({ ...cron, next_run_at: before(60), lease_expires_at: before(-240) })).toBe(
      'due now warning',
    );
    expect(said({ ...cron, next_run_at: before(600), lease_expires_at: before(300) })).toBe(
      'overdue 10m critical',
    );
  });

  it('that it is not scheduled, in red', () => {
    expect(said({ ...cron, next_run_at: undefined })).toBe('not scheduled critical');
  });

  it('a run in progress, also with the status "running"', () => {
    const running = { ...cron, last_run_at: before(9999), status: 'running' } as const;
    expect(said(running)).toBe('running… healthy');
  });
});

describe('the text of any other worker shows', () => {
  it('whether it has work', () => {
    expect(said({})).toBe('idle idle');
    expect(said({ status: 'running' })).toBe('running… healthy');
  });

  it('starting, stopping and stopped', () => {
    expect(said({ status: 'starting' })).toBe('starting… warning');
    expect(said({ status: 'stopping' })).toBe('stopping… warning');
    expect(said({ status: 'stopped', status_since: before(99) })).toBe('stopped critical');
  });

  it('crashed, silent or unknown, whatever status it had last', () => {
    const silent = {
      status: 'processing',
      last_heartbeat: before(60),
      lease_expires_at: before(10),
    } as const;
    expect(said(silent)).toBe('silent critical');
    expect(said(silent, { impairedSince: new Date(before(40)) })).toBe('unknown unknown');
    expect(said({ status: 'crashed' })).toBe('crashed critical');
    expect(said({ status: 'unknown', last_heartbeat: undefined })).toBe('never reported unknown');
  });

  it('that it is paused', () => {
    expect(said({ ...polls, paused_until: before(-60) })).toBe('paused inactive');
  });

  it('nothing longer than fits the status line', () => {
    const most = {
      poll_interval_s: 3e7,
      last_run_at: before(400 * 86_400 + 23 * 3600),
      processed_count: 1e15,
    };
    expect(said(most)).toBe('400d 23h ago (1,000,000,000,000,000 new) healthy');
  });
});

describe('a last run', () => {
  it('is shown with its errors first', () => {
    const one = worker({ ...polls, processed_count: 12, last_run_errors: 2 });
    expect(lastRunText(one, NOW.getTime())).toBe('5m ago (2 errors)');
    expect(lastRunText(worker(), NOW.getTime())).toBeNull();
  });
});
