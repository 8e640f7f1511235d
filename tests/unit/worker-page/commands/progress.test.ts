import { describe, expect, it } from 'vitest';
import { mergeCommands, readCommand } from '../../../../src/lib/worker-page/commands/commands.ts';
import { stepsOf } from '../../../../src/lib/worker-page/commands/progress.ts';

const at = (time: string) => `2026-11-22T${time}+00:00`;
describe('the progress of a command', () => {
  const command = (fields: Record<string, unknown>) =>
    readCommand({
      id: 1,
      instance_id: 'a',
      command: 'restart',
      reason: 'stuck',
      state: 'requested',
      requested_by: 'you',
      requested_at: at('12:00:00'),
      ...fields,
    });
  const now = Date.parse(at('12:02:10'));
  const steps = (fields: Record<string, unknown>) =>
    stepsOf(command(fields), null, now).map(({ label, state }) => `${label}: ${state}`);

  it('shows the next steps of a restart', () => {
    expect(steps({})).toEqual([
      'Requested: done',
      'Delivered: now',
      'Acknowledged: to come',
      'Old process ended: to come',
      'New process: to come',
    ]);
  });

  it('shows how long no new process has come, and that none came', () => {
    const gone = {
      state: 'acknowledged',
      delivered_at: at('12:00:01'),
      acknowledged_at: at('12:00:01'),
      instance_ended_at: at('12:00:10'),
      expires_at: at('12:02:20'),
    };
    expect(stepsOf(command(gone), null, now).at(-1)).toMatchObject({
      label: 'New process',
      state: 'now',
      words: 'none for 2 minutes; the wait ends in 10 s',
    });
    const message = 'the process ended 2 minutes ago, and no new one started';
    const failed = command({ ...gone, state: 'failed', finished_at: at('12:02:20'), message });
    expect(stepsOf(failed, null, now).at(-1)).toMatchObject({
      label: 'Failed',
      state: 'failed',
      quoted: message,
    });
  });

  it('ends at a refusal, without further steps', () => {
    expect(steps({ state: 'refused', finished_at: at('12:00:00') })).toEqual([
      'Requested: done',
      'Refused: failed',
    ]);
    expect(steps({ state: 'expired', finished_at: at('12:02:00') })).toEqual([
      'Requested: done',
      'Expired: the worker did not receive it: failed',
    ]);
  });

  it('is not moved back by a late message, and keeps the person', () => {
    const done = command({ state: 'done' });
    expect(mergeCommands([done], [command({ state: 'delivered', requested_by: null })])).toEqual([done]);
    const [later] = mergeCommands([command({})], [command({ state: 'delivered', requested_by: null })]);
    expect(later).toMatchObject({ state: 'delivered', by: 'you' });
  });
});
