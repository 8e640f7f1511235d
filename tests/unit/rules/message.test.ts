import { describe, expect, it } from 'vitest';
import { readMessage, readSnapshot, readSnapshotInSlices } from '../../../src/lib/rules/message.ts';
import { groupRow, header, workerRow } from '../../support/fleet.ts';

describe('what comes over the wire', () => {
  it('is read with null or missing values, and with unknown fields', () => {
    const row = { ...workerRow(), description: null, colour: 'a column that came later' };
    const [worker] = readSnapshot({ header: header([row]), workers: [row] }).workers;
    expect(worker).toMatchObject({ name: row.worker_name, description: null, hostname: null });
    expect(worker).not.toHaveProperty('colour');
  });

  it('is the same snapshot where a large one is read in slices, with pauses between them', async () => {
    const rows = Array.from({ length: 600 }, () => workerRow());
    const wire = { header: header(rows), workers: rows, groups: [groupRow()] };
    let pauses = 0;
    const sliced = await readSnapshotInSlices(wire, async () => void pauses++);
    expect(sliced).toEqual(readSnapshot(wire));
    expect(pauses).toBe(2);
    const wrong = { ...wire, workers: [...rows, { ...workerRow(), revision: 'x' }] };
    await expect(readSnapshotInSlices(wrong, async () => {})).rejects.toThrow(/revision is "x"/);
  });

  it.each([
    ['workers[1].worker_name is 7, not a string', { worker_name: 7 }],
    ['workers[1].revision is undefined, not a number', { revision: undefined }],
    ['workers[1].expected is "yes", not a boolean', { expected: 'yes' }],
    ['workers[1].kind is "cron", not one of resident,scheduled', { kind: 'cron' }],
    ['workers[1].description is {}, not a string', { description: {} }],
  ])('is refused when %s', (message, wrong) => {
    const rows = [workerRow(), { ...workerRow(), ...wrong }];
    expect(() => readSnapshot({ header: header([]), workers: rows })).toThrow(new TypeError(message));
  });

  it.each([
    ['this is null, not an object', null],
    ['this is "hello", not an object', 'hello'],
    ['part is undefined, not a number', {}],
    ['workers is 3, not a list', { part: 1, parts: 1, workers: 3 }],
    ['cell 1 of a beat is x, not a number', { part: 1, parts: 1, header: header([]), beats: [[1, 'x']] }],
  ])('is refused when %s', (message, wire) => {
    expect(() => readMessage(wire)).toThrow(new TypeError(message));
  });
});
