import { groupHealth, type GroupHealth } from './group-health.ts';
import type { GroupSettings } from './group.ts';
import { claimsLife, isLapsed, isOverdue, type Health, type Level } from './health.ts';
import type { Monitor } from './monitor.ts';
import { isPaused } from './pause.ts';
import type { Row } from './row.ts';
import type { Worker } from './worker.ts';

/** "5/5 running", and the counts behind it. */
export interface Tally {
  /** Unpaused workers that are alive. */
  readonly alive: number;
  /** How many should be running. */
  readonly expected: number;
  /** Expected, unpaused workers that crashed or fell silent, and are not marked as seen. */
  readonly dead: number;
  /** Working workers, and all their active jobs. */
  readonly working: number;
  readonly jobsActive: number;
  /** Lifetime total. */
  readonly jobsDone: number;
  readonly levels: Readonly<Record<Level, number>>;
  /** The most serious level of all workers. */
  readonly worst: Level;
}

/** The tally of one worker type, which may be above the desired number: "6/5". */
export interface GroupTally extends Tally {
  readonly settings: GroupSettings | null;
  /** The group's own level, by how many of its workers are alive. */
  readonly health: GroupHealth;
}

/** From the most serious to the least serious: the order of rows. */
export const LEVELS: readonly Level[] = ['critical', 'warning', 'unknown', 'healthy', 'inactive'];

/**
 * Counts the workers of one type. Expected workers always count. Replicas, which are not expected, count only if the group
 * has a desired number.
 */
export function tally(
  rows: Iterable<Row>,
  monitor: Monitor,
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
    const lives = isAlive(worker, monitor);
    if (lives) alive += 1;
    else if (health.rule === 'not-monitored') unsure += 1;
    if (!worker.expected) continue;
    expected += 1;
    if (lives) aliveExpected += 1;
    if (isDead(health) && !worker.seenAt) dead += 1;
  }
  const paused = settings !== null && isPaused(settings, monitor);
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
    health: groupHealth(settings, { alive, unsure }, monitor),
  };
}

/** The tally of each worker type, and of each group with settings, with or without workers. */
export function tallyByType(
  rows: Iterable<Row>,
  monitor: Monitor,
  groups: ReadonlyMap<string, GroupSettings>,
): Map<string | null, GroupTally> {
  const rowsOf = new Map(byType(rows));
  const types = new Set([...rowsOf.keys(), ...groups.keys()]);
  return new Map(
    [...types].map((type) => [
      type,
      tally(rowsOf.get(type) ?? [], monitor, type === null ? null : groups.get(type)),
    ]),
  );
}

/** Rows by worker type, in order of each type's first row. */
export function byType(rows: Iterable<Row>): [type: string | null, rows: Row[]][] {
  const groups = new Map<string | null, Row[]>();
  for (const row of rows) {
    const group = groups.get(row.worker.type);
    if (group) group.push(row);
    else groups.set(row.worker.type, [row]);
  }
  return [...groups];
}

/** The whole fleet's tally. Surplus workers of one group don't count for another. */
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
 * Whether the worker is alive. A resident needs a valid lease and a living status. A scheduled worker must not be overdue, and
 * its last run must not have crashed.
 */
export function isAlive(worker: Worker, monitor: Monitor): boolean {
  const { status, leaseExpiresAt, nextRunAt } = worker;
  if (worker.kind === 'resident') return claimsLife(worker) && !isLapsed(worker, monitor);
  if (status === 'crashed' || status === 'unknown') return false;
  return (leaseExpiresAt ?? nextRunAt) !== null && !isOverdue(worker, monitor);
}

/** Ended without reporting a stop. */
export function isDead({ rule }: Health): boolean {
  return rule === 'crashed' || rule === 'silent';
}

function worstOf(levels: Readonly<Record<Level, number>>): Level {
  return LEVELS.find((level) => levels[level] > 0) ?? 'inactive';
}
