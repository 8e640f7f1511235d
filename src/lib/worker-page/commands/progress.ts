import type { Worker } from '../../rules/worker.ts';
import { duration, lasting } from '../../time/wording.ts';
import { isOpen, type Command } from './commands.ts';

/** A step in the progress of a command. */
export interface Step {
  readonly label: string;
  readonly at: Date | null;
  readonly state: 'done' | 'now' | 'to come' | 'failed';
  /** Details for people. Texts by the worker or a person are in `quoted`. */
  readonly words: string;
  readonly quoted: string | null;
}

/** The progress of a command: its steps in order, the last one its end. */
export function stepsOf(command: Command, worker: Worker | null, now: number): readonly Step[] {
  const open = isOpen(command);
  const { state } = command;
  const steps: Step[] = [
    {
      label: 'Requested',
      at: command.requestedAt,
      state: 'done',
      words: `by ${command.by ?? 'somebody'}`,
      quoted: command.reason || null,
    },
  ];
  if (state === 'refused' && !command.deliveredAt) return [...steps, ended(command, 'Refused')];

  if (command.deliveredAt) steps.push(step('Delivered', command.deliveredAt));
  else if (open) steps.push({ ...waiting('Delivered'), words: nextBeat(worker, command, now) });
  else return [...steps, ended(command, END[state] ?? state)];

  if (command.acknowledgedAt)
    steps.push({ ...step('Acknowledged', command.acknowledgedAt), words: atIt(command) });
  else if (open) steps.push(command.deliveredAt ? waiting('Acknowledged') : toCome('Acknowledged'));

  if (command.command === 'restart' && (open || command.instanceEndedAt)) {
    if (command.instanceEndedAt) steps.push(step('Old process ended', command.instanceEndedAt));
    else
      steps.push(
        command.acknowledgedAt
          ? { ...waiting('Old process ended'), words: finishing(worker, command) }
          : toCome('Old process ended'),
      );
    if (open)
      steps.push(
        command.instanceEndedAt
          ? {
              ...waiting('New process'),
              words: `none for ${lasting(now - command.instanceEndedAt.getTime())}${
                command.expiresAt ? `; the wait ends in ${duration(command.expiresAt.getTime() - now)}` : ''
              }`,
            }
          : toCome('New process'),
      );
    else if (state === 'done')
      steps.push({ ...step('New process', command.finishedAt), words: newProcess(command, worker) });
  }
  if (open)
    return command.command === 'restart'
      ? steps
      : [...steps, command.acknowledgedAt ? waiting('Done') : toCome('Done')];
  return [...steps, ended(command, END[state] ?? state)];
}

const END: Partial<Record<Command['state'], string>> = {
  done: 'Done',
  failed: 'Failed',
  expired: 'Expired: the worker did not receive it',
  refused: 'Refused by the worker',
};

function step(label: string, at: Date | null): Step {
  return { label, at, state: 'done', words: '', quoted: null };
}

function waiting(label: string): Step {
  return { label, at: null, state: 'now', words: '', quoted: null };
}

function toCome(label: string): Step {
  return { label, at: null, state: 'to come', words: '', quoted: null };
}

function ended(command: Command, label: string): Step {
  return {
    label,
    at: command.finishedAt,
    state: command.state === 'done' ? 'done' : 'failed',
    words: '',
    quoted: command.message,
  };
}

function atIt({ command }: Command): string {
  return command === 'restart' || command === 'stop'
    ? 'finishing its work'
    : command === 'drain'
      ? 'taking no more work'
      : '';
}

function nextBeat(worker: Worker | null, command: Command, now: number): string {
  if (!worker?.lastHeartbeat || worker.instanceId !== command.instanceId) return 'with its next heartbeat';
  const left = worker.lastHeartbeat.getTime() + worker.intervalSeconds * 1000 - now;
  return left >= 1000
    ? `with its next heartbeat, in about ${duration(left)}`
    : 'with its next heartbeat, now due';
}

function finishing(worker: Worker | null, command: Command): string {
  if (worker?.instanceId !== command.instanceId) return '';
  return worker.status === 'stopping' ? 'finishing its work' : '';
}

function newProcess(command: Command, worker: Worker | null): string {
  if (!worker || worker.instanceId !== command.newInstanceId) return '';
  const place = worker.hostname ? ` on ${worker.hostname}` : '';
  return worker.pid === null ? '' : `process ${worker.pid}${place}`;
}
