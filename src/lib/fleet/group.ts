import { isPaused, type Level, type Watch } from './health.ts';
import { absolute } from '../time/words.ts';
import { flag, maybe, number, record, said, text, type Shape } from './shape.ts';
import { toDate } from './worker.ts';

/** What people have set for workers of one type. Never changed, only replaced. */
export interface GroupSettings {
  readonly type: string;
  /** How many should be alive; null: each expected worker counts for itself. */
  readonly desired: number | null;
  /** With fewer alive the group is critical. */
  readonly minimum: number | null;
  readonly description: string | null;
  /** http or https, with {job_id}, {job_type} and {worker_name} in it. */
  readonly jobUrlTemplate: string | null;
  readonly restartHint: string | null;
  readonly intervalSeconds: number | null;
  readonly pausedUntil: Date | null;
  readonly pausedReason: string | null;
  readonly revision: number;
}

/** A group that lost its settings, and the last revision that they had. */
export interface GoneGroup {
  readonly type: string;
  readonly revision: number;
  readonly gone: true;
}

/** A group on the wire: column names, nulls left out. */
export const groupRow = record({
  worker_type: said,
  desired: maybe(number),
  minimum: maybe(number),
  description: maybe(text),
  job_url_template: maybe(text),
  restart_hint: maybe(text),
  heartbeat_interval_s: maybe(number),
  paused_until: maybe(text),
  paused_reason: maybe(text),
  revision: number,
  gone: maybe(flag),
});

export type GroupRow = Shape<typeof groupRow>;

export function toGroupSettings(row: GroupRow): GroupSettings {
  return {
    type: row.worker_type,
    desired: row.desired ?? null,
    minimum: row.minimum ?? null,
    description: row.description ?? null,
    jobUrlTemplate: row.job_url_template ?? null,
    restartHint: row.restart_hint ?? null,
    intervalSeconds: row.heartbeat_interval_s ?? null,
    pausedUntil: toDate(row.paused_until),
    pausedReason: row.paused_reason ?? null,
    revision: row.revision,
  };
}

/** A group as a message carries it: its settings, or that it has none any more. */
export function toGroup(row: GroupRow): GroupSettings | GoneGroup {
  return row.gone ? { type: row.worker_type, revision: row.revision, gone: true } : toGroupSettings(row);
}

type Groups = ReadonlyMap<string, GroupSettings>;

/**
 * Applies what a message says of groups: older and repeated news change nothing, and the map is another one exactly when
 * something about it is.
 */
export function applyGroups(known: Groups, news: readonly (GroupSettings | GoneGroup)[]): Groups {
  const fresh = news.filter((group) => isNews(group, known.get(group.type)));
  if (fresh.length === 0) return known;
  const groups = new Map(known);
  for (const group of fresh) {
    if ('gone' in group) groups.delete(group.type);
    else groups.set(group.type, group);
  }
  return groups;
}

/** The groups of a snapshot; those that are still the same stay the same objects, and so does the whole. */
export function keptGroups(groups: readonly GroupSettings[], known: Groups = new Map()): Groups {
  const kept = groups.map((group) => {
    const old = known.get(group.type);
    return old?.revision === group.revision ? old : group;
  });
  const unchanged = kept.length === known.size && kept.every((group) => known.get(group.type) === group);
  return unchanged ? known : new Map(kept.map((group) => [group.type, group]));
}

function isNews(group: GroupSettings | GoneGroup, known: GroupSettings | undefined): boolean {
  if ('gone' in group) return known !== undefined && known.revision <= group.revision;
  return !known || known.revision < group.revision;
}

/** What a group's settings and the number of its living workers mean together. */
export interface GroupHealth {
  readonly level: Level;
  readonly rule: 'paused' | 'below-minimum' | 'below-desired' | 'not-monitored' | 'fine';
  /** Why, in words, for people: "4/5 running, minimum 3". Empty when there is nothing to explain. */
  readonly reason: string;
}

/**
 * Says how a group is as a whole, whatever its workers are one by one. Pure; the same rules as
 * `hp_worker_group_health` in SQL.
 *
 * @param count of its unpaused workers, replicas included: how many are alive, and of how many nobody can tell because
 * the watch is impaired. Those accuse nobody.
 */
export function groupHealth(
  settings: GroupSettings | null,
  { alive, unsure }: { alive: number; unsure: number },
  watch: Watch,
): GroupHealth {
  const fine: GroupHealth = { level: 'healthy', rule: 'fine', reason: '' };
  if (!settings) return fine;
  if (isPaused(settings, watch)) {
    return { level: 'inactive', rule: 'paused', reason: settings.pausedReason ?? 'paused' };
  }
  const { desired, minimum } = settings;
  const reason = `${alive}${desired === null ? '' : `/${desired}`} running${minimum === null ? '' : `, minimum ${minimum}`}`;
  if (alive + unsure < (minimum ?? 0)) return { level: 'critical', rule: 'below-minimum', reason };
  if (alive + unsure < (desired ?? 0)) return { level: 'warning', rule: 'below-desired', reason };
  if (alive < Math.max(minimum ?? 0, desired ?? 0)) {
    const since = watch.impairedSince ? `, not monitored since ${absolute(watch.impairedSince)}` : '';
    return { level: 'unknown', rule: 'not-monitored', reason: reason + since };
  }
  return fine;
}
