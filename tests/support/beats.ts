import { randomUUID } from 'node:crypto';
import type { Sql, TransactionSql } from 'postgres';

/** A beat as docs/wire.md has it; only what a test says about it. */
export type Beat = Record<string, unknown>;

/** An answer of hp_heartbeat. */
export interface Answer {
  worker_name: string;
  ok: boolean;
  epoch?: number;
  current?: boolean;
  sequence?: number;
  counted_jobs?: number;
  counted_errors?: number;
  interval_s?: number;
  activity_every_s?: number;
  again_ms?: number;
  commands?: { id: number; command: string; args: object; reason: string }[];
  logs_to?: number;
  logs_every_s?: number;
  ignored?: { field: string; message: string };
  error?: { field: string; message: string };
}

/** Sends beats as a worker with the secret key would, at the database's own time or at a given one. */
export async function beat(sql: Sql | TransactionSql, beats: Beat[] | unknown, at?: Date): Promise<Answer[]> {
  const [row] = at
    ? await sql`select hp_private.heartbeat(${sql.json(beats as never)}, ${at}) as answers`
    : await sql`select public.hp_heartbeat(${sql.json(beats as never)}) as answers`;
  return row!.answers as Answer[];
}

/** One process of a worker, which numbers its beats and presents its epoch as the module does. */
export class Process {
  readonly instance = randomUUID();
  sequence = 0;
  epoch: number | undefined;
  readonly #sql: Sql | TransactionSql;
  readonly #name: string;
  readonly #traits: Beat;

  constructor(sql: Sql | TransactionSql, name: string, traits: Beat = {}) {
    this.#sql = sql;
    this.#name = name;
    this.#traits = traits;
  }

  /** The next beat, not sent yet. */
  next(fields: Beat = {}): Beat {
    this.sequence += 1;
    return {
      worker_name: this.#name,
      instance_id: this.instance,
      sequence: this.sequence,
      status: 'idle',
      heartbeat_interval_s: 10,
      ...(this.epoch === undefined ? {} : { epoch: this.epoch }),
      ...this.#traits,
      ...fields,
    };
  }

  /** Sends a beat and takes note of the epoch. */
  async send(fields: Beat = {}, at?: Date): Promise<Answer> {
    return this.deliver(this.next(fields), at);
  }

  /** Delivers a beat made earlier: late, twice, out of order. */
  async deliver(made: Beat, at?: Date): Promise<Answer> {
    const [answer] = await beat(this.#sql, [made], at);
    this.epoch = answer!.epoch ?? this.epoch;
    return answer!;
  }
}
