import { flag, maybe, number, record, safeText, text, type Shape } from './wire-reader.ts';
import { toDate } from './worker.ts';

/** A group without settings any more, and their last revision. */
export interface GoneGroup {
  readonly type: string;
  readonly revision: number;
  readonly gone: true;
}

/** A group on the wire: column names, nulls left out. */
export const groupRow = record({
  worker_type: safeText,
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

export function toGroupSettings(row: GroupRow) {
  return {
    type: row.worker_type,
    /** How many workers should be alive; null: every expected worker counts. */
    desired: row.desired ?? null,
    /** With fewer workers alive the group is critical. */
    minimum: row.minimum ?? null,
    description: row.description ?? null,
    /** http or https, with {job_id}, {job_type} and {worker_name} in it. */
    jobUrlTemplate: row.job_url_template ?? null,
    restartHint: row.restart_hint ?? null,
    intervalSeconds: row.heartbeat_interval_s ?? null,
    pausedUntil: toDate(row.paused_until),
    pausedReason: row.paused_reason ?? null,
    revision: row.revision,
  };
}

/** The settings of a group. Never modified, only replaced. */
export type GroupSettings = Readonly<ReturnType<typeof toGroupSettings>>;

/** A group in a message: its settings, or that they are gone. */
export function toGroup(row: GroupRow): GroupSettings | GoneGroup {
  return row.gone ? { type: row.worker_type, revision: row.revision, gone: true } : toGroupSettings(row);
}

type Groups = ReadonlyMap<string, GroupSettings>;

/**
 * Applies the groups of a message. Older and repeated data changes nothing. Returns a new map only if something changed.
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

/** The groups of a snapshot. Unchanged groups keep their object, and so does an unchanged map. */
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
