/** FAULTS=full makes outages as long as the worst day's; otherwise they are just longer than every limit they must pass. */
export const full = process.env.FAULTS === 'full';

/** Seconds without the stack. The tick takes more than 30 s without itself for an outage of its own. */
export const OUTAGE_S = full ? 120 : 36;
/** Seconds without the tick. */
export const TICKLESS_S = full ? 300 : 36;
/** Milliseconds that a test may take: what it waits for, and then some. */
export const patience = (seconds: number) => (seconds + 90) * 1000;
