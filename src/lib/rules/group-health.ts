import { absolute } from '../time/wording.ts';
import type { GroupSettings } from './group.ts';
import type { Level } from './health.ts';
import type { Monitor } from './monitor.ts';
import { isPaused } from './pause.ts';

/** The health of a group, by its settings and the number of its workers that are alive. */
export interface GroupHealth {
  readonly level: Level;
  readonly rule: 'paused' | 'below-minimum' | 'below-desired' | 'not-monitored' | 'fine';
  /** The reason, for people: "4/5 running, minimum 3". Empty if there is nothing to explain. */
  readonly reason: string;
}

/**
 * The health of a group as a whole, independent of its single workers' health. Pure; the same rules as
 * `hp_worker_group_health` in SQL.
 *
 * @param count its unpaused workers, replicas included: how many are alive, and how many the impaired monitor can't judge.
 * The latter make no group critical.
 */
export function groupHealth(
  settings: GroupSettings | null,
  { alive, unsure }: { alive: number; unsure: number },
  monitor: Monitor,
): GroupHealth {
  const fine: GroupHealth = { level: 'healthy', rule: 'fine', reason: '' };
  if (!settings) return fine;
  if (isPaused(settings, monitor)) {
    return { level: 'inactive', rule: 'paused', reason: settings.pausedReason ?? 'paused' };
  }
  const { desired, minimum } = settings;
  const reason = `${alive}${desired === null ? '' : `/${desired}`} running${minimum === null ? '' : `, minimum ${minimum}`}`;
  if (alive + unsure < (minimum ?? 0)) return { level: 'critical', rule: 'below-minimum', reason };
  if (alive + unsure < (desired ?? 0)) return { level: 'warning', rule: 'below-desired', reason };
  if (alive < Math.max(minimum ?? 0, desired ?? 0)) {
    const since = monitor.impairedSince ? `, not monitored since ${absolute(monitor.impairedSince)}` : '';
    return { level: 'unknown', rule: 'not-monitored', reason: reason + since };
  }
  return fine;
}
