/** Ranges of a worker's history, with steps of a minute, five minutes, an hour and six hours. */
export const HISTORY_RANGES = ['1h', '24h', '7d', '90d'] as const;
export type HistoryRange = (typeof HISTORY_RANGES)[number];

/** Values by step; null without data: the monitor did not run, or the worker did not exist or was not meant to run. */
export type Column = readonly (number | null)[];

/** `/api/workers/[name]/history`, for members: docs/api.md. */
export interface WorkerHistory {
  /** Start of the first step and end of the last, ISO 8601. The last step may be incomplete. */
  readonly from: string;
  readonly to: string;
  readonly step_s: 60 | 300 | 3600 | 21600;
  readonly points: HistoryPoints;
  /** The last 90 days in UTC, today last. */
  readonly days: readonly HistoryDay[];
  /** Start of the history, ISO 8601; null if the tick has not run yet. */
  readonly kept_since: string | null;
  /** Why the history is not updated, if so. */
  readonly failure: string | null;
}

/** Columns of the same length. */
export interface HistoryPoints {
  /** Start of each step, in seconds since the epoch. */
  readonly at: readonly number[];
  /** Seconds up, and seconds with data. */
  readonly up_s: Column;
  readonly known_s: Column;
  readonly jobs: Column;
  readonly errors: Column;
  /** Percent of one core. */
  readonly cpu_mean: Column;
  readonly cpu_max: Column;
  /** Percent of the process's limit. */
  readonly memory_mean: Column;
  readonly memory_max: Column;
  /** Event loop delay in milliseconds. */
  readonly lag_max: Column;
}

export interface HistoryDay {
  /** Year, month and day of UTC. */
  readonly day: string;
  readonly up_s: number | null;
  readonly known_s: number | null;
}

/** `/api/sparks`: jobs a minute over the last hour, by worker_id. */
export interface Sparks {
  readonly at: readonly number[];
  readonly step_s: 60;
  readonly jobs: Readonly<Record<string, Column>>;
}

/** `/api/throughput`: jobs a minute of the whole fleet over the last hour. */
export interface Throughput {
  readonly at: readonly number[];
  readonly step_s: 60;
  readonly jobs: Column;
}
