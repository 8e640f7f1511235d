import { randomUUID } from 'node:crypto';

type Answer = { ok: boolean; epoch?: number; current?: boolean; counted_jobs?: number };

/** A worker that lives only in its beats: field for field what the heartbeat module sends of an idle one. */
export class Reporter {
  readonly name: string;
  readonly #type: string | undefined;
  readonly #instance = randomUUID();
  readonly #born = performance.now();
  #epoch: number | undefined;
  #counted: number | undefined;
  #sequence = 0;
  #jobs = 0;

  constructor(name: string, type?: string) {
    this.name = name;
    this.#type = type;
  }

  /** The sequence number of the last beat. */
  get sequence(): number {
    return this.#sequence;
  }

  next(): Record<string, unknown> {
    const uptime = Math.round(performance.now() - this.#born);
    return {
      worker_name: this.name,
      instance_id: this.#instance,
      sequence: ++this.#sequence,
      epoch: this.#epoch,
      status: 'idle',
      heartbeat_interval_s: 30,
      uptime_ms: uptime,
      sent_at_ms: Date.now(),
      ...(this.#epoch === undefined && {
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
      jobs_active: 0,
      status_age_ms: uptime,
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
  heard({ ok, epoch, current, counted_jobs }: Answer): void {
    if (!ok || !current) throw new Error(`A beat of ${this.name} was not applied`);
    this.#epoch = epoch;
    this.#counted = counted_jobs;
  }
}

/** Introduces them: each takes its row. */
export async function introduce(
  reporters: readonly Reporter[],
  rpc: (name: string, body: unknown) => Promise<unknown>,
): Promise<void> {
  for (let first = 0; first < reporters.length; first += 250) {
    const some = reporters.slice(first, first + 250);
    const answers = (await rpc('hp_heartbeat', { beats: some.map((one) => one.next()) })) as Answer[];
    some.forEach((one, index) => one.heard(answers[index]!));
  }
}
