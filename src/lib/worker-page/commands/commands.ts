import { anything, maybe, number, oneOf, record, safeText, text } from '../../rules/wire-reader.ts';

export const COMMANDS = [
  'restart',
  'stop',
  'drain',
  'resume',
  'breaker_reset',
  'breaker_trip',
  'beat',
  'log_level',
] as const;
/** What a worker can be asked for. */
export type CommandName = (typeof COMMANDS)[number];

/** What people do by the database alone; in the audit log beside the commands. */
export const DEEDS = ['pause', 'unpause', 'seen'] as const;
export type DeedName = (typeof DEEDS)[number];

export const STATES = [
  'requested',
  'delivered',
  'acknowledged',
  'done',
  'failed',
  'expired',
  'refused',
] as const;
export type CommandState = (typeof STATES)[number];

/** One line of the audit log: what somebody asked for, and what came of it. */
export interface Command {
  readonly id: number;
  readonly instanceId: string | null;
  /** A {@link CommandName} or a {@link DeedName}; where it was refused, whatever was asked. */
  readonly command: string;
  /** Where it was done to the whole group. */
  readonly group: string | null;
  readonly args: Readonly<Record<string, unknown>>;
  readonly reason: string;
  readonly state: CommandState;
  /** "you", an address where an owner looks, else "an operator". */
  readonly by: string | null;
  readonly requestedAt: Date;
  readonly deliveredAt: Date | null;
  readonly acknowledgedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly expiresAt: Date | null;
  /** When the process that was to restart or stop had ended, and which came after. */
  readonly instanceEndedAt: Date | null;
  readonly newInstanceId: string | null;
  /** What the worker or the database says of it. */
  readonly message: string | null;
  /** How many refused tries stand in this line. */
  readonly tries: number;
}

const optionalText = maybe(safeText);

const commandWire = record({
  id: number,
  instance_id: optionalText,
  command: text,
  worker_name: optionalText,
  worker_type: optionalText,
  args: anything,
  reason: optionalText,
  state: oneOf(STATES),
  requested_by: optionalText,
  requested_at: text,
  delivered_at: optionalText,
  acknowledged_at: optionalText,
  finished_at: optionalText,
  expires_at: optionalText,
  instance_ended_at: optionalText,
  new_instance_id: optionalText,
  message: optionalText,
  tries: maybe(number),
});

/** @throws when it is no line of `hp_worker_commands` */
export function readCommand(wire: unknown): Command {
  const row = commandWire(wire);
  const { args } = row;
  return {
    id: row.id,
    instanceId: row.instance_id ?? null,
    command: row.command,
    group: row.worker_name == null ? (row.worker_type ?? null) : null,
    args: typeof args === 'object' && args !== null ? (args as Record<string, unknown>) : {},
    reason: row.reason ?? '',
    state: row.state,
    by: row.requested_by ?? null,
    requestedAt: new Date(row.requested_at),
    deliveredAt: date(row.delivered_at),
    acknowledgedAt: date(row.acknowledged_at),
    finishedAt: date(row.finished_at),
    expiresAt: date(row.expires_at),
    instanceEndedAt: date(row.instance_ended_at),
    newInstanceId: row.new_instance_id ?? null,
    message: row.message ?? null,
    tries: row.tries ?? 1,
  };
}

const NAMES: Record<CommandName | DeedName, string> = {
  restart: 'Restart',
  stop: 'Stop',
  drain: 'Drain',
  resume: 'Resume',
  breaker_reset: 'Reset breaker',
  breaker_trip: 'Trip breaker',
  beat: 'Beat now',
  log_level: 'Log level',
  pause: 'Pause',
  unpause: 'End the pause',
  seen: 'Mark as seen',
};

/** The name of a command for people: "Reset breaker", "Log level debug". */
export function commandText({ command, args }: Pick<Command, 'command' | 'args'>): string {
  const name = Object.hasOwn(NAMES, command) ? NAMES[command as CommandName] : command;
  return command === 'log_level' && typeof args.level === 'string' ? `${name} ${args.level}` : name;
}

/** Whether something is still to come of it. */
export function isOpen({ state }: Pick<Command, 'state'>): boolean {
  return state === 'requested' || state === 'delivered' || state === 'acknowledged';
}

/** The order in which the states follow one another: a late message must not take a command back. */
const RANK: Record<CommandState, number> = {
  requested: 0,
  delivered: 1,
  acknowledged: 2,
  done: 3,
  failed: 3,
  expired: 3,
  refused: 3,
};

/** Puts news among what is known, the latest first; of one command what is further along stays. */
export function mergeCommands(known: readonly Command[], news: readonly Command[]): readonly Command[] {
  const byId = new Map(known.map((command) => [command.id, command]));
  for (const command of news) {
    const old = byId.get(command.id);
    // A message may not know who "you" are.
    if (!old || RANK[command.state] >= RANK[old.state])
      byId.set(command.id, { ...command, by: command.by ?? old?.by ?? null });
  }
  return [...byId.values()].sort((a, b) => b.id - a.id);
}

function date(value: string | null | undefined): Date | null {
  return value == null ? null : new Date(value);
}
