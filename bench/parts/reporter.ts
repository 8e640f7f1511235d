import { randomUUID } from 'node:crypto';

interface Answer {
  ok: boolean;
  epoch?: number;
  current?: boolean;
  counted_jobs?: number;
  interval_s: number;
  activity_every_s?: number;
  again_ms?: number;
}

export interface ReporterOptions {
  /** Its group. */
  type?: string;
  /** Seconds between its beats, until it is answered another. @default 30 */
  interval?: number;
}

/** A worker that lives only in its beats: field for field what the heartbeat module sends of an idle one. */
export class Reporter {
  readonly name: string;
  readonly #type: string | undefined;
  readonly #wanted: number;
  readonly #instance = randomUUID();
  readonly #born = performance.now();
  #epoch: number | undefined;
  #counted: number | undefined;
  #sequence = 0;
  #jobs = 0;
  /** Seconds until the next beat that it was answered last. */
  interval: number;
  /** The pacing of changed activity, as it was answered last. */
  activityEvery: number | undefined;
  againMs: number | undefined;

  constructor(name: string, { type, interval = 30 }: ReporterOptions = {}) {
    this.name = name;
    this.#type = type;
    this.#wanted = this.interval = interval;
  }

  /** The sequence number of the last beat. */
  get sequence(): number {
    return this.#sequence;
  }

  /** @param doing the text of what it does; idle without one */
  next(doing?: string): Record<string, unknown> {
    const uptime = Math.round(performance.now() - this.#born);
    return {
      worker_name: this.name,
      instance_id: this.#instance,
      sequence: ++this.#sequence,
      epoch: this.#epoch,
      status: doing === undefined ? 'idle' : 'processing',
      heartbeat_interval_s: this.interval,
      uptime_ms: uptime,
      sent_at_ms: Date.now(),
      ...(this.#epoch === undefined && {
        requested_interval_s: this.#wanted,
        worker_type: this.#type,
        description: 'A worker of the bench',
        hostname: 'bench.local',
        pid: process.pid,
        runtime: `node ${process.version}`,
      }),
      jobs_total: ++this.#jobs,
      errors_total: 0,
      counted_jobs: this.#counted,
      counted_errors: 0,
      jobs_active: doing === undefined ? 0 : 1,
      current_status: doing,
      status_age_ms: doing === undefined ? uptime : 0,
      circuit_breaker_state: 'closed',
      circuit_breaker_failures: 0,
      circuit_breaker_threshold: 10,
      cpu_percent: 1.5,
      memory_rss_bytes: 60_000_000 + (this.#sequence % 100) * 4096,
      memory_percent: 3.1,
      event_loop_lag_ms: 1,
      event_loop_blocked_ms: 2,
    };
  }

  /** @throws when the beat was not applied */
  heard(answer: Answer): void {
    if (!answer.ok || !answer.current) throw new Error(`A beat of ${this.name} was not applied`);
    this.#epoch = answer.epoch;
    this.#counted = answer.counted_jobs;
    this.interval = answer.interval_s;
    this.activityEvery = answer.activity_every_s;
    this.againMs = answer.again_ms;
  }
}

/** What each of them is answered goes to it. */
export function hearAll(reporters: readonly Reporter[], answers: unknown): void {
  if (!Array.isArray(answers) || answers.length !== reporters.length)
    throw new Error(`${reporters.length} beats were not answered each`);
  reporters.forEach((one, index) => one.heard(answers[index] as Answer));
}

/** Introduces them: each takes its row. */
export async function introduce(
  reporters: readonly Reporter[],
  rpc: (name: string, body: { beats: unknown[] }) => Promise<unknown>,
): Promise<void> {
  for (let first = 0; first < reporters.length; first += 250) {
    const some = reporters.slice(first, first + 250);
    hearAll(some, await rpc('hp_heartbeat', { beats: some.map((one) => one.next()) }));
  }
}
