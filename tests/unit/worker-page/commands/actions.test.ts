import { describe, expect, it } from 'vitest';
import type { Worker } from '../../../../src/lib/rules/worker.ts';
import { actionsFor, consequences } from '../../../../src/lib/worker-page/commands/actions.ts';

describe('the consequences of a command', () => {
  const worker = {
    intervalSeconds: 10,
    jobsActive: 0,
    expected: true,
    breaker: { state: 'closed', failures: 0 },
  } as unknown as Worker;
  const sentences = (command: 'restart' | 'stop', beside: readonly string[]) =>
    consequences(command, worker, { level: 'healthy', rule: 'fine', reason: '' }, null, beside).join(' ');

  it('name other workers of the process: a restart ends them, a stop does not', () => {
    expect(sentences('restart', ['twin-b'])).toMatch(/^This also ends twin-b, in the same process\./);
    expect(sentences('stop', ['twin-b', 'twin-c'])).toContain('The process goes on for twin-b and twin-c.');
    expect(sentences('stop', ['twin-b'])).not.toContain('exits with code 0');
    expect(sentences('restart', [...'abcdefg'])).toContain('ends a, b, c, d and 3 others, in');
  });

  it('mention no other workers if there are none', () => {
    expect(sentences('restart', [])).not.toContain('same process');
    expect(sentences('stop', [])).toContain('Then the process exits with code 0.');
  });
});

describe('the commands of a worker', () => {
  const now = Date.parse('2026-11-22T12:00:00Z');
  const disabled = (parts: readonly string[] | null) => {
    const worker = {
      parts,
      instanceId: 'a',
      status: 'processing',
      kind: 'resident',
      lastHeartbeat: new Date(now),
      lostAfter: 5,
      intervalSeconds: 10,
      breaker: { state: 'closed' },
    } as unknown as Worker;
    return Object.fromEntries(actionsFor(worker, [], now).map((one) => [one.command, one.disabled]));
  };

  it('are all possible with all parts, and with a module that names none', () => {
    for (const parts of [null, ['commands', 'drain', 'breaker', 'logs']])
      expect(Object.values(disabled(parts)).filter((why) => why !== null)).toEqual([]);
  });

  it('are disabled where the part is missing, which they name', () => {
    expect(disabled(['commands'])).toEqual({
      restart: null,
      stop: null,
      beat: null,
      drain: 'Drain needs heartbeat-drain.mjs in the worker, and the call drain(heartbeat).',
      breaker_trip:
        'Trip breaker needs heartbeat-breaker.mjs in the worker, and the call circuitBreaker(heartbeat).',
      log_level: 'Log level needs heartbeat-logs.mjs in the worker, and the call logs(heartbeat).',
    });
    const none = 'Commands need heartbeat-commands.mjs in the worker, and the call commands(heartbeat).';
    expect(new Set(Object.values(disabled(['drain'])))).toEqual(new Set([none]));
  });
});
