import type { Group, Row } from './arrange.ts';
import type { GroupTally } from './tally.ts';

/** A row as it is shown. */
export interface Line {
  readonly row: Row;
  /** Out of sight: the instant it is shown as of, epoch ms. Null: it ages with the clock. */
  readonly asOf: number | null;
}

export interface Section {
  readonly type: string | null;
  readonly tally: GroupTally;
  readonly lines: readonly Line[];
}

/** In a fleet of up to so many workers nothing ever waits: painting so many rows takes a few milliseconds. */
const AT_ONCE = 50;
/** Seconds until each row out of sight has had its turn: the period of a digest. */
const ROUND_S = 10;

/**
 * Decides which rows to repaint. Beats of a thousand workers change a thousand rows at once, and time itself changes
 * all of them every second, while a screen shows twenty. Rows in sight and nearby follow at once; so does every change
 * of state, wherever it is. Mere beats, new activity and the passing of time reach rows out of sight in turns, a part
 * each second, so that no row is older than {@link ROUND_S} seconds for those who search in the page or have it read.
 */
export class Screen {
  #lines: ReadonlyMap<number, Line> = new Map();
  #sections: readonly Section[] = [];
  #turnAt = -Infinity;
  /** Rows out of sight that had their turn in this round. */
  #turned = 0;

  /**
   * What to show now. A line, a section's lines and the whole are the same objects as before where nothing is to be
   * repainted.
   *
   * @param near ids of the workers whose rows are in sight or close to it; null while nobody knows
   * @param now the server's time, epoch ms, as of the last second
   */
  show(
    groups: readonly Group[],
    tallies: ReadonlyMap<string | null, GroupTally>,
    near: ReadonlySet<number> | null,
    now: number,
  ): readonly Section[] {
    const count = groups.reduce((sum, { rows }) => sum + rows.length, 0);
    const turns = this.#turns(count, now);
    let spare = AT_ONCE;
    let index = 0;
    const lines = new Map<number, Line>();

    const line = (row: Row): Line => {
      const { id } = row.worker;
      const shown = this.#lines.get(id);
      const turn = turns.has(index++);
      if (near === null || near.has(id)) {
        return shown?.row === row && shown.asOf === null ? shown : { row, asOf: null };
      }
      if (turn || !shown || shown.asOf === null || isUrgent(row, shown.row)) return { row, asOf: now };
      return shown.row === row || spare-- <= 0 ? shown : { row, asOf: now };
    };

    const sections = groups.map(({ type, rows }, place): Section => {
      const section = { type, tally: tallies.get(type)!, lines: rows.map(line) };
      for (const one of section.lines) lines.set(one.row.worker.id, one);
      return keep(this.#sections[place], section);
    });
    this.#lines = lines;
    return (this.#sections = same(this.#sections, sections) ? this.#sections : sections);
  }

  /** The places whose turn it is: none, unless a second has passed since the last. */
  #turns(count: number, now: number): { has(place: number): boolean } {
    if (now === this.#turnAt) return { has: () => false };
    this.#turnAt = now;
    const first = this.#turned >= count ? 0 : this.#turned;
    const end = first + Math.max(AT_ONCE, Math.ceil(count / ROUND_S));
    this.#turned = end;
    return { has: (place) => place >= first && place < end };
  }
}

/** Whether more has changed than a beat brings. */
function isUrgent(row: Row, shown: Row): boolean {
  return (
    row.worker.revision !== shown.worker.revision ||
    row.health.level !== shown.health.level ||
    row.health.rule !== shown.health.rule
  );
}

function keep(before: Section | undefined, section: Section): Section {
  if (!before || before.type !== section.type) return section;
  const lines = same(before.lines, section.lines) ? before.lines : section.lines;
  const { alive, expected, settings, health } = section.tally;
  const unchanged =
    lines === before.lines &&
    before.tally.alive === alive &&
    before.tally.expected === expected &&
    before.tally.settings === settings &&
    before.tally.health.level === health.level &&
    before.tally.health.reason === health.reason;
  return unchanged ? before : { ...section, lines };
}

function same(before: readonly unknown[], after: readonly unknown[]): boolean {
  return before.length === after.length && after.every((one, index) => one === before[index]);
}
