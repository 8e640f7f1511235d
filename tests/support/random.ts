/** Numbers that look random and are the same for the same seed, so that a failed simulation can be run again. */
export function seeded(seed: number) {
  let state = seed >>> 0;
  /** From 0 up to, not including, 1 (mulberry32). */
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    next,
    /** From `least` up to `most`, evenly. */
    between: (least: number, most: number) => least + (most - least) * next(),
    chance: (probability: number) => next() < probability,
  };
}

export type Random = ReturnType<typeof seeded>;
