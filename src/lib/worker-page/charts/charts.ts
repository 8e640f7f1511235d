import type { Drawing, Mark, Series, Shade } from './drawing.ts';
import { perMinute, stretches, summary, total, type History, type Values } from './history.ts';
import { stepTime } from './time-axis.ts';
import { amount, milliseconds, percent, stepText } from './wording.ts';

/** A figure beside a chart. */
export interface Figure {
  readonly label: string;
  readonly value: string;
  /** When that was, or the total. */
  readonly note?: string | undefined;
  readonly level?: 'warning' | 'critical' | undefined;
}

/** The content of one chart. */
export interface ChartOf {
  readonly title: string;
  readonly unit: string;
  readonly drawing: Drawing;
  readonly figures: readonly Figure[];
}

/** Thresholds of CPU and memory for yellow and red, as on the fleet page (DESIGN.md, "health"). */
const STRAINED = 80;
const EXHAUSTED = 95;
const THRESHOLDS: readonly Mark[] = [
  { label: `${STRAINED} %`, value: STRAINED, tone: 'warning' },
  { label: `${EXHAUSTED} %`, value: EXHAUSTED, tone: 'critical' },
];

/** The charts of a history. */
export function chartsOf(history: History, zone: string) {
  const { at, stepSeconds, up, known } = history;
  const step = stepText(stepSeconds);
  const common = { at, stepSeconds, zone, shades: shadesOf(history), whole: false, top: 1, marks: [] };
  const when = (index: number) => stepTime(at[index]!, stepSeconds, zone);

  const rates = perMinute(history, history.jobs);
  const rate = summary(rates, known);
  const done = total(history.jobs);
  const throughput: ChartOf = {
    title: 'Throughput',
    unit: 'jobs per minute',
    drawing: {
      ...common,
      series: [{ label: 'jobs per minute', values: rates, look: 'area', tone: 'accent' }],
      marks: rate ? [{ label: `mean ${amount(rate.mean)}`, value: rate.mean, tone: 'faint' }] : [],
      format: amount,
    },
    figures: rate
      ? [
          {
            label: 'Mean',
            value: amount(rate.mean),
            note: `${amount(done ?? 0)} ${done === 1 ? 'job' : 'jobs'} in total`,
          },
          { label: 'Peak', value: amount(rate.peak), note: when(rate.peakAt) },
          { label: 'Lowest', value: amount(rate.lowest), note: when(rate.lowestAt) },
        ]
      : [],
  };

  const failed = total(history.errors);
  const errors: ChartOf = {
    title: 'Errors',
    unit: `per ${step}`,
    drawing: {
      ...common,
      series: [{ label: 'errors', values: history.errors, look: 'bars', tone: 'critical' }],
      top: 4,
      whole: true,
      format: amount,
    },
    figures:
      failed === null
        ? []
        : [
            { label: 'Total', value: amount(failed), level: failed > 0 ? 'critical' : undefined },
            ...(done ? [{ label: 'Per 100 jobs', value: amount((failed * 100) / done) }] : []),
          ],
  };

  const lag = summary(history.lagMax, up);
  const loop: ChartOf = {
    title: 'Event loop lag',
    unit: 'longest wait',
    drawing: {
      ...common,
      series: [{ label: 'longest', values: history.lagMax, look: 'area', tone: 'accent' }],
      top: 20,
      format: milliseconds,
    },
    figures: lag
      ? [
          { label: 'Mean', value: milliseconds(lag.mean) },
          { label: 'Peak', value: milliseconds(lag.peak), note: when(lag.peakAt) },
        ]
      : [],
  };

  const load = (title: string, unit: string, mean: Values, max: Values): ChartOf => {
    const [middle, highest] = [summary(mean, up), summary(max, up)];
    const series: Series[] = [
      { label: 'mean', values: mean, look: 'line', tone: 'accent' },
      { label: 'highest', values: max, look: 'thin', tone: 'accent' },
    ];
    return {
      title,
      unit,
      drawing: { ...common, series, marks: THRESHOLDS, top: 100, format: percent },
      figures: [
        ...(middle ? [{ label: 'Mean', value: percent(middle.mean), level: levelOf(middle.mean) }] : []),
        ...(highest
          ? [
              {
                label: 'Peak',
                value: percent(highest.peak),
                note: when(highest.peakAt),
                level: levelOf(highest.peak),
              },
            ]
          : []),
      ],
    };
  };

  return {
    throughput,
    errors,
    loop,
    cpu: load('CPU', 'mean and highest, of one core', history.cpuMean, history.cpuMax),
    memory: load('Memory', 'mean and highest', history.memoryMean, history.memoryMax),
  };
}

/** Times without data, and times in which the worker was down. */
export function shadesOf({ at, stepSeconds, up, known }: History): Shade[] {
  const shade = (kind: Shade['kind'], holds: (index: number) => boolean): Shade[] =>
    stretches(at.length, holds).map(({ from, to }) => ({
      kind,
      from: at[from]!,
      to: at[to - 1]! + stepSeconds,
    }));
  return [
    ...shade('unknown', (index) => !known[index]),
    ...shade('down', (index) => !!known[index] && up[index] === 0),
  ];
}

function levelOf(value: number): Figure['level'] {
  if (value > EXHAUSTED) return 'critical';
  return value > STRAINED ? 'warning' : undefined;
}
