import { instant } from '../time/wording.ts';
import type { Level } from '../rules/health.ts';
import { toRow } from '../rules/row.ts';
import type { Snapshot } from '../rules/message.ts';
import { runText, type RunText } from '../rules/run-wording.ts';
import { tallyByType, total } from '../rules/tally.ts';
import { monitorOf } from '../rules/monitor.ts';

/** The status line, in words: what /bar shows and /api/bar answers. */
export interface Bar {
  /** When this was so, ISO 8601. */
  readonly now: string;
  /** The same for people, where the line could not be brought up to date: "03:05:12 UTC". */
  readonly asOf: string;
  /** "Workers 3/3 running": all of it where there is no room. */
  readonly folded: string;
  readonly level: Level;
  readonly dot: Dot;
  readonly entries: readonly BarEntry[];
}

/** One worker, in fewer than 50 characters, the dot included: "🟢 Discovery: 5m ago (12 new)". */
export interface BarEntry {
  readonly dot: Dot;
  readonly name: string;
  /** The whole name, where {@link name} is cut short. */
  readonly fullName?: string;
  readonly words: string;
}

export type Dot = '🟢' | '🟡' | '🔴' | '⚪';

const DOTS: Readonly<Record<RunText['tone'], Dot>> = {
  healthy: '🟢',
  // As people of small fleets expect it: they see who has nothing to do.
  idle: '🟡',
  warning: '🟡',
  critical: '🔴',
  inactive: '⚪',
  unknown: '⚪',
};

/** At most so many characters: dot, space, name, colon, space, words. */
const ENTRY_LENGTH = 49;
/** "error (1,234,567 failures)" has 26; whatever is longer is cut. */
const WORDS_LENGTH = 30;

/** Says of each worker how its work goes. Pure; the words are those of the fleet page. */
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

/** Cut in the middle: names of one group often differ at their end only. */
function shortened(text: string, length: number): string {
  const characters = [...text];
  if (characters.length <= length) return text;
  const tail = Math.floor((length - 1) / 3);
  return [...characters.slice(0, length - 1 - tail), '…', ...characters.slice(-tail)].join('');
}
