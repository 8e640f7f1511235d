import { fine, skipped, trouble, warning, type Finding } from './finding.ts';

/** The Date header is exact to a second, and a request takes time. */
const UNNOTICED_MS = 3_000;
/** With a larger difference, session tokens count as expired or not yet valid. */
const HARMFUL_MS = 30_000;

/** @param aheadMs by how much the server's clock is ahead of this machine's */
export function inspectClock(aheadMs: number | undefined): Finding {
  if (aheadMs === undefined) return skipped('the clock', 'the project’s responses have no Date header');
  const off = Math.abs(aheadMs);
  if (off < UNNOTICED_MS) return fine('the clock', 'this machine’s clock agrees with the project’s');
  const says = `this machine’s clock is ${Math.round(off / 1000)} s ${aheadMs > 0 ? 'behind' : 'ahead of'} the project’s`;
  const todo = 'Synchronize it: timedatectl set-ntp true';
  return off < HARMFUL_MS
    ? warning('the clock', `${says}; the page does not depend on it`, todo)
    : trouble(
        'the clock',
        `${says}; sessions end too early or too late, and certificates may be rejected`,
        todo,
      );
}
