import { describe, expect, it } from 'vitest';
import type { Worker } from '../../src/lib/fleet/worker.ts';
import { pauseUntil } from '../../src/lib/server/pause-until.ts';
import { zoned } from '../../src/lib/time/zoned.ts';
import { consequences } from '../../src/lib/worker/actions.ts';
import { mergeCommands, readCommand } from '../../src/lib/worker/commands.ts';
import type { Instance } from '../../src/lib/worker/details.ts';
import { readEvent } from '../../src/lib/worker/events.ts';
import { fateOf } from '../../src/lib/worker/fate.ts';
import { stepsOf } from '../../src/lib/worker/progress.ts';
import { dayWords, timeline } from '../../src/lib/worker/timeline.ts';
import { toValue, visible } from '../../src/lib/worker/values.ts';

const at = (time: string) => `2026-11-22T${time}+00:00`;
const event = (id: number, time: string, fields: Record<string, unknown>) =>
  readEvent({ id, at: time.includes('T') ? time : at(time), type: 'status', details: {}, ...fields });

describe('the timeline', () => {
  const events = [
    event(5, '12:10:00', { to_value: 'idle' }),
    event(4, '12:05:00', { type: 'breaker', to_value: 'open', details: { failures: 10, threshold: 10 } }),
    event(3, '12:00:00', {
      to_value: 'crashed',
      reason: 'exit code 3',
      details: { last_exit: { code: 3, drain_ms: 120 } },
    }),
    event(2, '11:00:00', { to_value: 'idle' }),
    event(1, '2026-11-21T23:30:00+00:00', { type: 'monitor', to_value: 'impaired' }),
  ];

  it('says how long each state lasted, beside what else happened meanwhile', () => {
    const [today] = timeline(events, 'UTC');
    expect(today!.entries.map(({ title, lasted, current }) => [title, lasted, current])).toEqual([
      ['Alive', null, true],
      ['Circuit breaker opened', null, true],
      ['Crashed', 600_000, false],
      ['Alive', 3_600_000, false],
    ]);
  });

  it('says nothing of now, where the latest are not known', () => {
    expect(timeline(events, 'UTC', false)[0]!.entries.some(({ current }) => current)).toBe(false);
  });

  it('has the days of the viewer', () => {
    expect(timeline(events, 'UTC').map(({ date }) => date)).toEqual(['2026-11-22', '2026-11-21']);
    expect(timeline(events, 'Europe/Berlin').map(({ date }) => date)).toEqual(['2026-11-22']);
    const now = Date.parse(at('12:30:00'));
    expect(dayWords('2026-11-22', now, 'UTC')).toBe('Today');
    expect(dayWords('2026-11-21', now, 'UTC')).toBe('Yesterday');
    expect(dayWords('2026-11-01', now, 'UTC')).toBe('Sunday, 1 November 2026');
  });

  it('says last words once: the exit code stands in the reason already', () => {
    const crash = timeline(events, 'UTC')[0]!.entries[2]!;
    expect(crash.reason).toBe('exit code 3');
    expect(crash.more).toEqual([{ label: 'drained in', quoted: '120 ms' }]);
  });
});

describe('metadata', () => {
  it('shows what cannot be seen, and leaves lines and tabs', () => {
    expect(visible('a\u0000b\u202Ec\u200Bd\n\te')).toBe('a␀b⟨202E⟩c⟨200B⟩d\n\te');
  });

  it('links only what is an address of the web, and reads like one', () => {
    const kind = (text: string) => toValue(text).kind;
    expect(kind('https://example.com/a?b=c#d')).toBe('link');
    for (const other of [
      'javascript:alert(1)',
      'data:text/html,x',
      'https://user:secret@example.com/',
      'https://example.com\u202Emoc.live',
      'see https://example.com',
      'https://',
    ])
      expect(kind(other), other).not.toBe('link');
  });

  it('is bounded in depth and breadth, and says what is left out', () => {
    let deep: unknown = 'end';
    for (let n = 0; n < 50; n++) deep = { deep };
    expect(JSON.stringify(toValue(deep))).toContain('"kind":"deep"');
    const wide = toValue(Array.from({ length: 500 }, (_, n) => n));
    expect(wide).toMatchObject({ kind: 'list', left: 400 });
  });

  it('loses no digit of a number', () => {
    expect(toValue(12345678901234)).toEqual({ kind: 'figure', text: '12,345,678,901,234' });
    expect(toValue(0.1234567)).toEqual({ kind: 'figure', text: '0.1234567' });
  });
});

describe('a pause', () => {
  const now = new Date('2026-03-28T20:00:00Z');
  const form = (fields: Record<string, string>) => {
    const data = new FormData();
    for (const [name, value] of Object.entries(fields)) data.set(name, value);
    return data;
  };

  it('until tomorrow at nine is meant where the viewer is, over a change of clocks too', () => {
    // In Berlin clocks go forward in that night.
    expect(pauseUntil(form({ for: 'tomorrow', zone: 'Europe/Berlin' }), now)).toEqual(
      new Date('2026-03-29T07:00:00Z'),
    );
    expect(pauseUntil(form({ for: 'tomorrow', zone: 'Pacific/Auckland' }), now)).toEqual(
      new Date('2026-03-29T20:00:00Z'),
    );
    expect(pauseUntil(form({ for: 'tomorrow' }), now)).toEqual(new Date('2026-03-29T09:00:00Z'));
  });

  it('of a time of one’s own must lie in the future, and be a time', () => {
    const own = (until: string, zone = 'UTC') => pauseUntil(form({ for: 'own', until, zone }), now);
    expect(own('2026-03-28T22:00')).toEqual(new Date('2026-03-28T22:00:00Z'));
    expect(own('2026-03-28T19:00')).toMatch(/is over/);
    expect(own('soon')).toMatch(/Say until when/);
    expect(own('2026-03-28T22:00', 'Mars/Olympus')).toMatch(/Say until when/);
    expect(pauseUntil(form({ for: 'constructor' }), now)).toBe('Choose for how long.');
  });

  it('in an hour that is skipped or comes twice is what a clock on the wall would do', () => {
    expect(zoned('2026-03-29T02:30', 'Europe/Berlin')).toEqual(new Date('2026-03-29T01:30:00Z'));
    expect(zoned('2026-10-25T02:30', 'Europe/Berlin')).toEqual(new Date('2026-10-25T00:30:00Z'));
  });
});

describe('a command on its way', () => {
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
  const told = (fields: Record<string, unknown>) =>
    stepsOf(command(fields), null, now).map(({ label, state }) => `${label}: ${state}`);

  it('shows what is to come of a restart', () => {
    expect(told({})).toEqual([
      'Requested: done',
      'Delivered: now',
      'Acknowledged: to come',
      'Old process ended: to come',
      'New process: to come',
    ]);
  });

  it('says for how long none has come after the old one ended, and that none came', () => {
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
      words: 'none for 2 minutes; given up in 10 s',
    });
    const message = 'the process ended 2 minutes ago, and no new one started';
    const failed = command({ ...gone, state: 'failed', finished_at: at('12:02:20'), message });
    expect(stepsOf(failed, null, now).at(-1)).toMatchObject({
      label: 'Failed',
      state: 'failed',
      quoted: message,
    });
  });

  it('ends where it was refused, without steps that never came', () => {
    expect(told({ state: 'refused', finished_at: at('12:00:00') })).toEqual([
      'Requested: done',
      'Refused: failed',
    ]);
    expect(told({ state: 'expired', finished_at: at('12:02:00') })).toEqual([
      'Requested: done',
      'Expired: nobody heard it: failed',
    ]);
  });

  it('is not taken back by a late message, and keeps who asked', () => {
    const done = command({ state: 'done' });
    expect(mergeCommands([done], [command({ state: 'delivered', requested_by: null })])).toEqual([done]);
    const [later] = mergeCommands([command({})], [command({ state: 'delivered', requested_by: null })]);
    expect(later).toMatchObject({ state: 'delivered', by: 'you' });
  });
});

describe('what a command will do', () => {
  const worker = {
    intervalSeconds: 10,
    jobsActive: 0,
    expected: true,
    breaker: { state: 'closed', failures: 0 },
  } as unknown as Worker;
  const told = (command: 'restart' | 'stop', beside: readonly string[]) =>
    consequences(command, worker, { level: 'healthy', rule: 'fine', reason: '' }, null, beside).join(' ');

  it('names who else lives in the process: a restart ends them, a stop leaves them', () => {
    expect(told('restart', ['twin-b'])).toMatch(/^This also ends twin-b, in the same process\./);
    expect(told('stop', ['twin-b', 'twin-c'])).toContain('The process stays, for twin-b and twin-c.');
    expect(told('stop', ['twin-b'])).not.toContain('exits with code 0');
    expect(told('restart', [...'abcdefg'])).toContain('ends a, b, c, d and 3 others, in');
  });

  it('says no word of others where there are none', () => {
    expect(told('restart', [])).not.toContain('same process');
    expect(told('stop', [])).toContain('Then it exits with code 0.');
  });
});

describe('what became of a process', () => {
  const one = { id: 'old', status: 'idle', endedAt: null, lastExit: null, leaseExpiresAt: null };
  const fate = (known: string, fields: Partial<Instance> = {}) =>
    fateOf(
      { ...one, ...fields } as Instance,
      { instanceId: 'new', status: 'idle' },
      { instanceId: known },
      Date.parse(at('12:00:00')),
    );

  it('is not called silence as long as nobody has looked since another took over', () => {
    expect(fate('old')).toBe('ended');
    expect(fate('new')).toBe('fell silent');
    expect(fate('new', { endedAt: new Date(at('11:59:59')) })).toBe('ended');
    expect(fate('new', { leaseExpiresAt: new Date(at('12:00:09')) })).toBe('superseded, still alive');
  });
});
