import { list, maybe, number, record, text, type Read } from '../../rules/wire-reader.ts';

export const RANGES = ['1h', '24h', '7d', '90d'] as const;
export type Range = (typeof RANGES)[number];
export const FIRST_RANGE: Range = '24h';

/** A value for each step; null without data. */
export type Values = readonly (number | null)[];

/** The history of one worker in steps of one length. */
export interface History {
  readonly stepSeconds: number;
  /** Starts of the steps in epoch seconds. No step is missing: a step without data has nulls. */
  readonly at: readonly number[];
  /** Seconds up, and seconds with data. */
  readonly up: Values;
  readonly known: Values;
  /** Jobs and errors in the step. */
  readonly jobs: Values;
  readonly errors: Values;
  readonly cpuMean: Values;
  readonly cpuMax: Values;
  readonly memoryMean: Values;
  readonly memoryMax: Values;
  /** Event loop lag in milliseconds. */
  readonly lagMax: Values;
  readonly days: readonly Day[];
  /** Start of the history; null without one. */
  readonly keptSince: Date | null;
  /** Why the history is not updated, if so. */
  readonly failure: string | null;
}

/** A day in UTC. */
export interface Day {
  /** "2026-11-22" */
  readonly day: string;
  readonly upSeconds: number | null;
  /** Seconds with data. */
  readonly knownSeconds: number;
}

/** The wire's column for each name here. */
const COLUMNS = {
  up: 'up_s',
  known: 'known_s',
  jobs: 'jobs',
  errors: 'errors',
  cpuMean: 'cpu_mean',
  cpuMax: 'cpu_max',
  memoryMean: 'memory_mean',
  memoryMax: 'memory_max',
  lagMax: 'lag_max',
} as const;
type Column = keyof typeof COLUMNS;
const columns = Object.entries(COLUMNS) as [Column, string][];

const values: Read<(number | null | undefined)[]> = list(maybe(number));
const wire = record({
  step_s: number,
  points: record({
    at: list(number),
    up_s: values,
    known_s: values,
    jobs: values,
    errors: values,
    cpu_mean: values,
    cpu_max: values,
    memory_mean: values,
    memory_max: values,
    lag_max: values,
  }),
  days: list(record({ day: text, up_s: maybe(number), known_s: maybe(number) })),
  kept_since: maybe(text),
  failure: maybe(text),
});

/** Reads the answer of /api/workers/[name]/history. @throws {TypeError} */
export function readHistory(value: unknown): History {
  const { step_s: step, points, days, kept_since, failure } = wire(value);
  const at: number[] = [];
  const found = {} as Record<Column, (number | null)[]>;
  for (const [name] of columns) found[name] = [];
  points.at.forEach((start, index) => {
    // Steps that the sender left out are gaps, too, and a line must not cross them.
    while (at.length > 0 && start - at.at(-1)! > step * 1.5) {
      at.push(at.at(-1)! + step);
      for (const [name] of columns) found[name].push(null);
    }
    at.push(start);
    for (const [name, column] of columns)
      found[name].push((points[column as keyof typeof points] as (number | null)[])[index] ?? null);
  });
  return {
    stepSeconds: step,
    at,
    ...found,
    days: days.map(({ day, up_s, known_s }) => ({
      day,
      upSeconds: up_s ?? null,
      knownSeconds: known_s ?? 0,
    })),
    keptSince: kept_since ? new Date(kept_since) : null,
    failure: failure ?? null,
  };
}

/** Whether the range has any data. The days may go further back. */
export function knowsAnything(history: History): boolean {
  return columns.some(([name]) => history[name].some((value) => value !== null));
}

/** Minimum of known seconds in a step for a rate. */
const LEAST_KNOWN_S = 30;

/** The fraction of each step's known time in which the worker was up, 0 to 1. */
export function upParts({ up, known }: History): Values {
  return up.map((seconds, index) => {
    const of = known[index];
    return seconds === null || !of ? null : Math.min(1, seconds / of);
  });
}

/** Counts per minute of known time, so that an incomplete step is not too low. */
export function perMinute({ known }: History, counts: Values): Values {
  return counts.map((count, index) => {
    const seconds = known[index] ?? 0;
    return count === null || seconds < LEAST_KNOWN_S ? null : (count * 60) / seconds;
  });
}

export interface Summary {
  readonly mean: number;
  readonly peak: number;
  readonly lowest: number;
  /** The steps of peak and lowest, by index; the last one if there are several. */
  readonly peakAt: number;
  readonly lowestAt: number;
}

/**
 * Mean, peak and lowest value; null without data.
 *
 * @param weights the weight of each step in the mean, such as its seconds
 */
export function summary(values: Values, weights: Values): Summary | null {
  let weight = 0;
  let sum = 0;
  let peakAt = -1;
  let lowestAt = -1;
  values.forEach((value, index) => {
    if (value === null) return;
    const own = weights[index] ?? 0;
    weight += own;
    sum += value * own;
    if (peakAt < 0 || value >= values[peakAt]!) peakAt = index;
    if (lowestAt < 0 || value <= values[lowestAt]!) lowestAt = index;
  });
  if (peakAt < 0) return null;
  return {
    mean: weight > 0 ? sum / weight : values[peakAt]!,
    peak: values[peakAt]!,
    lowest: values[lowestAt]!,
    peakAt,
    lowestAt,
  };
}

/** The sum of the known values; null without data. */
export function total(values: Values): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

/** A stretch of steps, `to` exclusive. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** Ranges of steps for which `holds` is true, by index. */
export function stretches(count: number, holds: (index: number) => boolean): Stretch[] {
  const found: { from: number; to: number }[] = [];
  for (let index = 0; index < count; index += 1) {
    if (!holds(index)) continue;
    const last = found.at(-1);
    if (last?.to === index) last.to = index + 1;
    else found.push({ from: index, to: index + 1 });
  }
  return found;
}

/**
 * The fraction of the known time in which the worker was up, 0 to 1; null without data. Never above 1, although clocks may
 * count a second too many.
 */
export function uptime(days: readonly Day[]): number | null {
  let up = 0;
  let known = 0;
  for (const day of days) {
    known += day.knownSeconds;
    up += Math.min(day.upSeconds ?? 0, day.knownSeconds);
  }
  return known > 0 ? up / known : null;
}
