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
/** The commands of a worker. */
export type CommandName = (typeof COMMANDS)[number];

/** Actions of people that only the database handles; recorded beside the commands. */
export const DATABASE_ACTIONS = ['pause', 'unpause', 'seen'] as const;
export type DatabaseAction = (typeof DATABASE_ACTIONS)[number];

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

/** @throws if it is not a line of `hp_worker_commands` */
export function readCommand(wire: unknown) {
  const row = commandWire(wire);
  const { args } = row;
  return {
    id: row.id,
    instanceId: row.instance_id ?? null,
    /** A {@link CommandName} or a {@link DatabaseAction}; for a refused request any text. */
    command: row.command,
    /** Set if the action was for the whole group. */
    group: row.worker_name == null ? (row.worker_type ?? null) : null,
    args: typeof args === 'object' && args !== null ? (args as Record<string, unknown>) : {},
    reason: row.reason ?? '',
    state: row.state,
    /** "you", the address for owners, else "an operator". */
    by: row.requested_by ?? null,
    requestedAt: new Date(row.requested_at),
    deliveredAt: date(row.delivered_at),
    acknowledgedAt: date(row.acknowledged_at),
    finishedAt: date(row.finished_at),
    expiresAt: date(row.expires_at),
    /** When the process to restart or stop had ended, and the process after it. */
    instanceEndedAt: date(row.instance_ended_at),
    newInstanceId: row.new_instance_id ?? null,
    /** The message of the worker or the database. */
    message: row.message ?? null,
    /** The number of refused attempts in this line. */
    tries: row.tries ?? 1,
  };
}

/** One line of the action history: the request, and its outcome. */
export type Command = Readonly<ReturnType<typeof readCommand>>;

const NAMES: Record<CommandName | DatabaseAction, string> = {
  restart: 'Restart',
  stop: 'Stop',
  drain: 'Drain',
  resume: 'Resume',
  breaker_reset: 'Reset breaker',
  breaker_trip: 'Trip breaker',
  beat: 'Report now',
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

/** Whether the command is not finished yet. */
export function isOpen({ state }: Pick<Command, 'state'>): boolean {
  return state === 'requested' || state === 'delivered' || state === 'acknowledged';
}

/** The order of the states. A late message must not move a command back. */
const RANK: Record<CommandState, number> = {
  requested: 0,
  delivered: 1,
  acknowledged: 2,
  done: 3,
  failed: 3,
  expired: 3,
  refused: 3,
};

/** Merges new commands into the known ones, latest first. Of one command, the later state stays. */
export function mergeCommands(known: readonly Command[], news: readonly Command[]): readonly Command[] {
  const byId = new Map(known.map((command) => [command.id, command]));
  for (const command of news) {
    const old = byId.get(command.id);
    // A message may not contain who "you" are.
    if (!old || RANK[command.state] >= RANK[old.state])
      byId.set(command.id, { ...command, by: command.by ?? old?.by ?? null });
  }
  return [...byId.values()].sort((a, b) => b.id - a.id);
}

function date(value: string | null | undefined): Date | null {
  return value == null ? null : new Date(value);
}
