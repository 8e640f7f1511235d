import { groupHealth, type GroupHealth, type GroupSettings } from './group.ts';
import { claimsLife, isLapsed, isOverdue, isPaused, type Health, type Level, type Watch } from './health.ts';
import type { Worker } from './worker.ts';

/** "5/5 running", and what stands behind it. */
export interface Tally {
  /** Unpaused workers that are alive. */
  readonly alive: number;
  /** How many should be running. */
  readonly expected: number;
  /** Expected, unpaused workers that crashed or fell silent, and of whom nobody knows yet. */
  readonly dead: number;
  /** Workers that are at work, and the jobs at which all of them are. */
  readonly working: number;
  readonly jobsActive: number;
  /** Of their whole lives. */
  readonly jobsDone: number;
  readonly levels: Readonly<Record<Level, number>>;
  /** The most serious level of all workers. */
  readonly worst: Level;
}

/** The tally of workers of one type, which may be more than should be running: "6/5". */
export interface GroupTally extends Tally {
  readonly settings: GroupSettings | null;
  /** The group's own level, by how many of its workers are alive. */
  readonly health: GroupHealth;
}

/** A worker, and what its row means now. */
type Judged = { readonly worker: Worker; readonly health: Health };

/** From the most serious to the least: the order in which rows want to be seen. */
export const LEVELS: readonly Level[] = ['critical', 'warning', 'unknown', 'healthy', 'inactive'];

/**
 * Counts the workers of one type. Expected ones count for themselves; replicas, which are not expected, only where the
 * group says how many it wants.
 */
export function tally(
  rows: Iterable<Judged>,
  watch: Watch,
  settings: GroupSettings | null = null,
): GroupTally {
  const levels: Record<Level, number> = { critical: 0, warning: 0, unknown: 0, healthy: 0, inactive: 0 };
  const desired = settings?.desired ?? null;
  let alive = 0;
  let aliveExpected = 0;
  let unsure = 0;
  let expected = 0;
  let dead = 0;
  let working = 0;
  let jobsActive = 0;
  let jobsDone = 0;
  for (const { worker, health } of rows) {
    levels[health.level] += 1;
    jobsDone += worker.jobsProcessed;
    if (claimsLife(worker) && !isDead(health)) {
      if (worker.jobsActive > 0 || worker.status === 'processing') working += 1;
      jobsActive += worker.jobsActive;
    }
    if (health.rule === 'paused') continue;
    const lives = isAlive(worker, watch);
    if (lives) alive += 1;
    else if (health.rule === 'not-monitored') unsure += 1;
    if (!worker.expected) continue;
    expected += 1;
    if (lives) aliveExpected += 1;
    if (isDead(health) && !worker.seenAt) dead += 1;
  }
  const paused = settings !== null && isPaused(settings, watch);
  return {
    alive: desired === null ? aliveExpected : alive,
    expected: paused ? 0 : Math.max(desired ?? 0, expected),
    dead,
    working,
    jobsActive,
    jobsDone,
    levels,
    worst: worstOf(levels),
    settings,
    health: groupHealth(settings, { alive, unsure }, watch),
  };
}

/** The tally of each worker type, and of each group with settings, whether it has workers or not. */
export function tallyByType(
  rows: Iterable<Judged>,
  watch: Watch,
  groups: ReadonlyMap<string, GroupSettings>,
): Map<string | null, GroupTally> {
  const rowsOf = new Map(byType(rows));
  const types = new Set([...rowsOf.keys(), ...groups.keys()]);
  return new Map(
    [...types].map((type) => [
      type,
      tally(rowsOf.get(type) ?? [], watch, type === null ? null : groups.get(type)),
    ]),
  );
}

/** Rows by worker type, in the order in which each type first appears. */
export function byType<R extends Pick<Judged, 'worker'>>(
  rows: Iterable<R>,
): [type: string | null, rows: R[]][] {
  const groups = new Map<string | null, R[]>();
  for (const row of rows) {
    const group = groups.get(row.worker.type);
    if (group) group.push(row);
    else groups.set(row.worker.type, [row]);
  }
  return [...groups];
}

/** The whole fleet's tally: a group that has more than it wants makes up for no other. */
export function total(groups: Iterable<Tally>): Tally {
  const levels: Record<Level, number> = { critical: 0, warning: 0, unknown: 0, healthy: 0, inactive: 0 };
  let alive = 0;
  let expected = 0;
  let dead = 0;
  let working = 0;
  let jobsActive = 0;
  let jobsDone = 0;
  for (const group of groups) {
    alive += Math.min(group.alive, group.expected);
    expected += group.expected;
    dead += group.dead;
    working += group.working;
    jobsActive += group.jobsActive;
    jobsDone += group.jobsDone;
    for (const level of LEVELS) levels[level] += group.levels[level];
  }
  return { alive, expected, dead, working, jobsActive, jobsDone, levels, worst: worstOf(levels) };
}

/**
 * Whether the last beat still vouches for the worker. A resident: a valid lease and a status that claims life.
 * A scheduled one: not overdue, its last run not crashed.
 */
export function isAlive(worker: Worker, watch: Watch): boolean {
  const { status, leaseExpiresAt, nextRunAt } = worker;
  if (worker.kind === 'resident') return claimsLife(worker) && !isLapsed(worker, watch);
  if (status === 'crashed' || status === 'unknown') return false;
  return (leaseExpiresAt ?? nextRunAt) !== null && !isOverdue(worker, watch);
}

/** Gone without a goodbye. */
export function isDead({ rule }: Health): boolean {
  return rule === 'crashed' || rule === 'silent';
}

function worstOf(levels: Readonly<Record<Level, number>>): Level {
  return LEVELS.find((level) => levels[level] > 0) ?? 'inactive';
}
