import { availableParallelism, cpus } from 'node:os';
import { isMet, type Measure } from '../figure.ts';

/** On what it was measured: figures of two machines are not to be compared. */
export function machine() {
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
  };
}

/** A measure on a line of its own. */
export function line(measure: Measure): string {
  const { what, unit, beside, aim } = measure;
  const met = isMet(measure);
  return [
    what.padEnd(58),
    `${figure(measure.value)} ${unit}`.padStart(14),
    beside ? `   beside ${beside.what}: ${figure(beside.value)} ${unit}` : '',
    aim ? `   aim ${aimInWords(measure)}: ${met ? 'met' : 'MISSED'}` : '',
  ].join('');
}

function aimInWords({ aim, unit }: Measure): string {
  if (!aim) return '';
  if ('atMost' in aim) return `≤ ${figure(aim.atMost)} ${unit}`;
  if ('atLeast' in aim) return `≥ ${figure(aim.atLeast)} ${unit}`;
  return `≥ ${aim.ofBeside} of that`;
}

function figure(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}
