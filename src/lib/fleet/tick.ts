/** A gap of so much impairs the watch on the server, too (truth rule 3): max(30 s, 3 × its own period). */
const GAP_MS = 30_000;
const GAP_PERIODS = 3;

/**
 * Whether the server's tick is late. Nobody who fell silent is found meanwhile.
 *
 * @param tickAt when it last ran, as far as is known; null: never
 * @param everySeconds the period that it should keep
 * @param knownUntil up to when one would have heard of a later one, epoch ms
 */
export function isTickLate(tickAt: Date | null, everySeconds: number, knownUntil: number): boolean {
  if (!tickAt) return true;
  return knownUntil - tickAt.getTime() > Math.max(GAP_MS, GAP_PERIODS * everySeconds * 1000);
}
