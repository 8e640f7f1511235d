import type { GroupSettings } from './group.ts';
import { workerHealth, type Health } from './health.ts';
import type { Monitor } from './monitor.ts';
import type { Worker } from './worker.ts';

/** A row of the fleet: a worker and its current health. */
export interface Row {
  readonly worker: Worker;
  readonly health: Health;
}

/** @param groups the settings of all groups, by worker type */
export function toRow(worker: Worker, monitor: Monitor, groups: ReadonlyMap<string, GroupSettings>): Row {
  const group = worker.type === null ? null : groups.get(worker.type);
  return { worker, health: workerHealth(worker, monitor, group) };
}
