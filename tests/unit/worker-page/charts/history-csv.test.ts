import { describe, expect, it } from 'vitest';
import { historyCsv, historyFileName } from '../../../../src/lib/worker-page/charts/history-csv.ts';
import type { HistoryPoints, WorkerHistory } from '../../../../src/lib/rules/history-wire.ts';

const points: HistoryPoints = {
  at: [1_792_886_400, 1_792_886_700],
  up_s: [290, null],
  known_s: [300, null],
  jobs: [40, null],
  errors: [0, null],
  cpu_mean: [12.5, null],
  cpu_max: [99.9, null],
  memory_mean: [30.1, null],
  memory_max: [31, null],
  lag_max: [4, null],
};
const history = { step_s: 300, points } as unknown as WorkerHistory;

describe('a history as a table', () => {
  it('has units in its headings, times in UTC, and empty cells without data', () => {
    expect(historyCsv(history).split('\r\n').slice(1)).toEqual([
      '2026-10-25T00:00:00.000Z,300,290,300,40,0,12.5,99.9,30.1,31,4',
      '2026-10-25T00:05:00.000Z,300,,,,,,,,,',
      '',
    ]);
  });

  it.each([
    ['crawl-worker', 'crawl-worker-7d.csv'],
    ['eu/crawl:1@host', 'eu-crawl-1-host-7d.csv'],
    ['../../etc/passwd', 'etc-passwd-7d.csv'],
    ['=cmd"\r\nx: y', 'cmd-x-y-7d.csv'],
    ['@@@', 'worker-7d.csv'],
    ['w'.repeat(128), `${'w'.repeat(100)}-7d.csv`],
  ])('of %j is called %s', (name, file) => {
    expect(historyFileName(name, '7d')).toBe(file);
  });
});
