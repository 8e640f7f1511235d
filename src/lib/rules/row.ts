import type { GroupSettings } from './group.ts';
import { workerHealth, type Health } from './health.ts';
import type { Monitor } from './monitor.ts';
import type { Worker } from './worker.ts';

/** A row of the fleet: a worker and its current health. */
export interface Row {
  readonly worker: Worker;
  readonly health: Health;
}

/**
 * @param groups the settings of all groups, by worker type
 * @param before the old row, returned again if nothing visible has changed
 */
export function toRow(
  worker: Worker,
  monitor: Monitor,
  groups: ReadonlyMap<string, GroupSettings>,
  before?: Row,
): Row {
  const group = worker.type === null ? null : groups.get(worker.type);
  const health = workerHealth(worker, monitor, group);
  const same =
    before?.worker === worker &&
    before.health.level === health.level &&
    before.health.reason === health.reason;
  return same ? before : { worker, health };
}
