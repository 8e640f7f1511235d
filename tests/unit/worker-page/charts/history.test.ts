import { describe, expect, it } from 'vitest';
import { chartsOf, shadesOf } from '../../../../src/lib/worker-page/charts/charts.ts';
import {
  knowsAnything,
  perMinute,
  readHistory,
  stretches,
  summary,
  total,
  uptime,
  type Day,
  type History,
} from '../../../../src/lib/worker-page/charts/history.ts';
import { STEPS, WHOLE_STEPS } from '../../../../src/lib/worker-page/charts/scale.ts';
import {
  amount,
  dayText,
  milliseconds,
  share,
  stepText,
} from '../../../../src/lib/worker-page/charts/wording.ts';

const START = Date.parse('2026-11-22T12:00:00Z') / 1000;
/** So many steps of five minutes; what is not said is null, but what has jobs is known. */
function wire(columns: Record<string, (number | null)[]>) {
  const count = Math.max(...Object.values(columns).map(({ length }) => length));
  const at = Array.from({ length: count }, (_, index) => START + index * 300);
  const none = at.map(() => null);
  const names = [
    'up_s',
    'known_s',
    'jobs',
    'errors',
    'cpu_mean',
    'cpu_max',
    'memory_mean',
    'memory_max',
    'lag_max',
  ];
  return {
    step_s: 300,
    points: {
      at,
      ...Object.fromEntries(names.map((name) => [name, none])),
      ...(columns.jobs && { known_s: columns.jobs.map((jobs) => (jobs === null ? null : 300)) }),
      ...columns,
    },
    days: [],
  };
}
const history = (...args: Parameters<typeof wire>): History => readHistory(wire(...args));

describe('a history', () => {
  it('has a gap for steps that the sender left out', () => {
    const sent = wire({ jobs: [5, 6, 7] });
    sent.points.at = [START, START + 300, START + 1200];
    const read = readHistory(sent);
    expect(read.at).toEqual([0, 300, 600, 900, 1200].map((s) => START + s));
    expect(read.jobs).toEqual([5, 6, null, null, 7]);
  });

  it('rejects other data', () => {
    expect(() => readHistory({ points: {} })).toThrow(TypeError);
    expect(() => readHistory({ ...wire({ jobs: [1] }), step_s: '300' })).toThrow(/step_s/);
  });

  it('has no data if all values are null, whatever its days contain', () => {
    expect(knowsAnything(history({ jobs: [null, null] }))).toBe(false);
    expect(knowsAnything(history({ cpu_mean: [null, 3] }))).toBe(true);
  });
});

describe('throughput', () => {
  it('is jobs per known minute, also in an incomplete step', () => {
    const going = history({ jobs: [50, null, 20], known_s: [300, null, 120] });
    expect(perMinute(going, going.jobs)).toEqual([10, null, 10]);
  });

  it('is missing for a step with hardly any data', () => {
    const begun = history({ jobs: [50, 1, 1], known_s: [300, 5, null] });
    expect(perMinute(begun, begun.jobs)).toEqual([10, null, null]);
  });

  it('has mean, peak and lowest of the known values: a gap is not a zero', () => {
    expect(summary([null, 4, null, 8, 0, 8, null], Array(7).fill(60))).toEqual({
      mean: 5,
      peak: 8,
      peakAt: 5,
      lowest: 0,
      lowestAt: 4,
    });
    expect(summary([null, 6], [60, 60])).toMatchObject({ mean: 6, lowest: 6 });
    expect(summary([null, null], [60, 60])).toBeNull();
    // A minute counts for less than an hour.
    expect(summary([10, 70], [3000, 600])).toMatchObject({ mean: 20, peak: 70 });
    expect(total([null, 2, 3])).toBe(5);
    expect(total([null])).toBeNull();
  });

  it('appears beside its chart with its time', () => {
    const { throughput } = chartsOf(history({ jobs: [50, null, 1000, 0] }), 'Europe/Berlin');
    expect(throughput.figures).toEqual([
      { label: 'Mean', value: '70', note: '1,050 jobs in total' },
      { label: 'Peak', value: '200', note: '22 Nov, 13:10–13:15' },
      { label: 'Lowest', value: '0', note: '22 Nov, 13:15–13:20' },
    ]);
    expect(throughput.drawing.marks).toMatchObject([{ label: 'mean 70', value: 70 }]);
  });
});

describe('behind the charts', () => {
  it('marks time without data and downtime', () => {
    const read = history({ up_s: [300, null, null, 0, 20, 0], known_s: [300, null, 0, 300, 300, 60] });
    expect(shadesOf(read)).toEqual([
      { kind: 'unknown', from: START + 300, to: START + 900 },
      { kind: 'down', from: START + 900, to: START + 1200 },
      { kind: 'down', from: START + 1500, to: START + 1800 },
    ]);
    expect(stretches(3, () => true)).toEqual([{ from: 0, to: 3 }]);
  });
});

describe('figures of CPU and memory', () => {
  it('have the levels of the fleet page, and thresholds', () => {
    const { cpu, memory, loop, errors } = chartsOf(
      history({ up_s: [300, 300], cpu_mean: [80, 82], cpu_max: [96, 81] }),
      'UTC',
    );
    expect(cpu.figures).toMatchObject([
      { label: 'Mean', value: '81 %', level: 'warning' },
      { label: 'Peak', value: '96 %', level: 'critical' },
    ]);
    expect(cpu.drawing.marks.map(({ value }) => value)).toEqual([80, 95]);
    expect([memory, loop, errors].map(({ figures }) => figures)).toEqual([[], [], []]);
  });
});

describe('uptime', () => {
  const day = (known: number, up: number | null): Day => ({
    day: '2026-11-22',
    upSeconds: up,
    knownSeconds: known,
  });

  it('is a fraction of the known time, not of all time', () => {
    expect(uptime([day(0, null), day(1000, 900), day(3000, 3000)])).toBe(0.975);
    expect(uptime([day(0, null)])).toBeNull();
    expect(uptime([day(1000, 1001)])).toBe(1);
  });

  it.each([
    [day(0, null), 'Sun, 22 Nov 2026: no data'],
    [day(86_400, 86_400), 'Sun, 22 Nov 2026: up 100 %'],
    [day(86_400, 85_860), 'Sun, 22 Nov 2026: up 99.37 %, down for 9 min'],
    [day(72_000, 0), 'Sun, 22 Nov 2026: up 0 %, down for 20 h; no data for 4 h'],
  ])('says of a day %j: %s', (of, words) => expect(dayText(of)).toBe(words));

  it.each([
    [1, '100 %'],
    [0.999999, '99.99 %'],
    [0.9907, '99.07 %'],
    [0.5, '50.00 %'],
    [0.00001, '0.01 %'],
    [0, '0 %'],
  ])('of %f is never said to be more: %s', (part, words) => expect(share(part)).toBe(words));
});

describe('a scale', () => {
  it('has exact labels: none is rounded', () => {
    for (const step of [...STEPS, ...WHOLE_STEPS].filter((one) => one < 1_000_000))
      for (const mark of [1, 2, 3, 4, 5].map((n) => +(n * step).toFixed(3)))
        if (mark < 1_000_000) expect(Number(amount(mark).replaceAll(',', '')), `${step}`).toBe(mark);
    expect(WHOLE_STEPS.every(Number.isInteger)).toBe(true);
  });
});

describe('amounts', () => {
  it.each([
    [0, '0'],
    [0.0444, '0.04'],
    [0.44, '0.4'],
    [3.26, '3.3'],
    [12.4, '12'],
    [1204, '1,204'],
    [98_765_432, '98.8M'],
  ])('have as many digits as tell something: %f is %s', (value, words) => expect(amount(value)).toBe(words));

  it('of time and steps have their unit', () => {
    expect([0, 4.26, 868, 2500, 180_000].map(milliseconds)).toEqual([
      '0 ms',
      '4.3 ms',
      '868 ms',
      '2.5 s',
      '3 min',
    ]);
    expect([60, 300, 3600, 21_600].map(stepText)).toEqual(['minute', '5 minutes', 'hour', '6 hours']);
  });
});
