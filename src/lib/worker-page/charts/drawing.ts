import type { Values } from './history.ts';
import type { Tone } from './palette.ts';

/** One series of a chart. */
export interface Series {
  /** "mean", "highest" */
  readonly label: string;
  readonly values: Values;
  readonly look: 'area' | 'line' | 'thin' | 'bars';
  readonly tone: Tone;
}

/** A line across the chart, such as a threshold. */
export interface Mark {
  readonly label: string;
  readonly value: number;
  readonly tone: Tone;
}

/** A time range that is painted behind the series, epoch seconds. */
export interface Shade {
  readonly kind: 'unknown' | 'down';
  readonly from: number;
  readonly to: number;
}

/** The drawing of one chart. */
export interface Drawing {
  /** Starts of the steps in epoch seconds, and their length. */
  readonly at: readonly number[];
  readonly stepSeconds: number;
  /** A chart always has the same series in the same order and look. */
  readonly series: readonly Series[];
  readonly marks: readonly Mark[];
  readonly shades: readonly Shade[];
  /** The scale goes from zero to at least this value. */
  readonly top: number;
  /** Whether the scale has only whole numbers. */
  readonly whole: boolean;
  readonly zone: string;
  format(value: number): string;
}
