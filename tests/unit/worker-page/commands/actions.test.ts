import { describe, expect, it } from 'vitest';
import type { Worker } from '../../../../src/lib/rules/worker.ts';
import { consequences } from '../../../../src/lib/worker-page/commands/actions.ts';

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
