import { instant } from '../time/wording.ts';
import type { Level } from '../rules/health.ts';
import { toRow } from '../rules/row.ts';
import type { Snapshot } from '../rules/message.ts';
import { runText, type RunText } from '../rules/run-wording.ts';
import { tallyByType, total } from '../rules/tally.ts';
import { monitorOf } from '../rules/monitor.ts';

/** The status line of /bar and /api/bar. */
export interface Bar {
  /** The time of this state, ISO 8601. */
  readonly now: string;
  /** The same for people, shown if the line could not be updated: "03:05:12 UTC". */
  readonly asOf: string;
  /** "Workers 3/3 running": the short form for a narrow frame. */
  readonly folded: string;
  readonly level: Level;
  readonly dot: Dot;
  readonly entries: readonly BarEntry[];
}

/** One worker, in fewer than 50 characters, the dot included: "🟢 Discovery: 5m ago (12 new)". */
export interface BarEntry {
  readonly dot: Dot;
  readonly name: string;
  /** The full name, if {@link name} is shortened. */
  readonly fullName?: string;
  readonly words: string;
}

export type Dot = '🟢' | '🟡' | '🔴' | '⚪';

const DOTS: Readonly<Record<RunText['tone'], Dot>> = {
  healthy: '🟢',
  // Operators of small fleets want to see idle workers.
  idle: '🟡',
  warning: '🟡',
  critical: '🔴',
  inactive: '⚪',
  unknown: '⚪',
};

/** Maximum number of characters: dot, space, name, colon, space, text. */
const ENTRY_LENGTH = 49;
/** "error (1,234,567 failures)" has 26; longer texts are cut. */
const WORDS_LENGTH = 30;

/** The state of each worker's runs. Pure; the texts are the same as on the fleet page. */
export function bar({ header, workers, groups }: Snapshot): Bar {
  const monitor = monitorOf(header);
  const settings = new Map(groups.map((group) => [group.type, group]));
  const rows = workers.map((worker) => toRow(worker, monitor, settings));
  const { alive, expected, worst } = total(tallyByType(rows, monitor, settings).values());
  const level =
    expected === 0 ? 'unknown' : alive < expected ? 'critical' : worst === 'inactive' ? 'healthy' : worst;
  return {
    now: header.now.toISOString(),
    asOf: instant(header.now, header.now.getTime()),
    folded: `Workers ${alive}/${expected} running${header.impairedSince ? ' (uncertain)' : ''}`,
    level,
    dot: DOTS[level],
    entries: rows.map(({ worker, health }) => {
      const { text, tone } = runText(worker, health, header.now.getTime());
      return entry(worker.name, text, DOTS[tone]);
    }),
  };
}

function entry(fullName: string, text: string, dot: Dot): BarEntry {
  const words = shortened(text, WORDS_LENGTH);
  const name = shortened(fullName, ENTRY_LENGTH - [...`${dot} : ${words}`].length);
  return { dot, name, ...(name === fullName ? {} : { fullName }), words };
}

/** Cuts in the middle, because names of one group often differ only at the end. */
function shortened(text: string, length: number): string {
  const characters = [...text];
  if (characters.length <= length) return text;
  const tail = Math.floor((length - 1) / 3);
  return [...characters.slice(0, length - 1 - tail), '…', ...characters.slice(-tail)].join('');
}
