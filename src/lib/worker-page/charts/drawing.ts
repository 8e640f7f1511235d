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

/** A stretch of time that is painted behind the series, epoch seconds. */
export interface Shade {
  readonly kind: 'unknown' | 'down';
  readonly from: number;
  readonly to: number;
}

/** All that is drawn of one chart. */
export interface Drawing {
  /** Where the steps begin, epoch seconds, and how long each is. */
  readonly at: readonly number[];
  readonly stepSeconds: number;
  /** Of one chart always as many, in the same order and look. */
  readonly series: readonly Series[];
  readonly marks: readonly Mark[];
  readonly shades: readonly Shade[];
  /** The scale goes from zero to this at least. */
  readonly top: number;
  /** Whether only whole numbers make sense on the scale. */
  readonly whole: boolean;
  readonly zone: string;
  format(value: number): string;
}
