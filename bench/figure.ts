/** What a figure is held against. */
export type Aim = { atMost: number } | { atLeast: number } | { ofBeside: number };

/** One number, with what it is compared to in the same run. */
export interface Measure {
  /** "transition → text, 5 workers: p50" */
  what: string;
  value: number;
  unit: string;
  /** The floor that no implementation gets under, or a peer that does the least that could be done. */
  beside?: { what: string; value: number };
  aim?: Aim;
}

/** What a figure may use, and in which bounds it runs. */
export interface Run {
  /** Everything that must be ended is put here when it starts; it is ended in reverse, also after an error. */
  scope: AsyncDisposableStack;
  /** Aborted before that: whoever goes on asking keeps the stack from ending. */
  signal: AbortSignal;
  /** How many changes the latency is measured over, per kind. */
  changes: number;
  /** How many rounds medians are taken of. */
  rounds: number;
  /** A line about progress. */
  say(line: string): void;
}

/** One of the things that are measured. It brings its own stack, processes and browser, and leaves nothing behind. */
export interface Figure {
  name: string;
  about: string;
  /** Seconds after which it is given up. */
  limit(run: Run): number;
  measure(run: Run): Promise<Measure[]>;
}

/** Whether the aim is met; undefined where there is none. */
export function isMet({ value, beside, aim }: Measure): boolean | undefined {
  if (!aim) return undefined;
  if ('atMost' in aim) return value <= aim.atMost;
  if ('atLeast' in aim) return value >= aim.atLeast;
  return beside !== undefined && value >= aim.ofBeside * beside.value;
}
