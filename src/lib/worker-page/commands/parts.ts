import type { Worker } from '../../rules/worker.ts';
import { commandText, type CommandName } from './commands.ts';

/** The part of the heartbeat module that carries out each command, and the call that adds the part. */
const PARTS: Record<CommandName, readonly [part: string, call: string]> = {
  restart: ['commands', 'commands(heartbeat)'],
  stop: ['commands', 'commands(heartbeat)'],
  beat: ['commands', 'commands(heartbeat)'],
  drain: ['drain', 'drain(heartbeat)'],
  resume: ['drain', 'drain(heartbeat)'],
  breaker_reset: ['breaker', 'circuitBreaker(heartbeat)'],
  breaker_trip: ['breaker', 'circuitBreaker(heartbeat)'],
  log_level: ['logs', 'logs(heartbeat)'],
};

/** Why the worker cannot carry out a command, with the missing file; null if it can, or if it reports no parts. */
export function missingPart({ parts }: Pick<Worker, 'parts'>, command: CommandName): string | null {
  if (!parts) return null;
  const needs = (needed: string, [part, call]: readonly [string, string]) =>
    parts.includes(part) ? null : `${needed} heartbeat-${part}.mjs in the worker, and the call ${call}.`;
  return (
    needs('Commands need', PARTS.restart) ??
    needs(`${commandText({ command, args: {} })} needs`, PARTS[command])
  );
}
