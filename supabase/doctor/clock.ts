import { fine, skipped, trouble, warning, type Finding } from './finding.ts';

/** Headers tell time to the second, and an answer takes a while. */
const UNNOTICED_MS = 3_000;
/** A session's token counts as not begun or as over, if a clock is wrong by more. */
const HARMFUL_MS = 30_000;

/** @param aheadMs by how much the server's clock is ahead of this machine's */
export function inspectClock(aheadMs: number | undefined): Finding {
  if (aheadMs === undefined) return skipped('the clock', 'the project’s answers carry no time');
  const off = Math.abs(aheadMs);
  if (off < UNNOTICED_MS) return fine('the clock', 'this machine’s agrees with the project’s');
  const says = `this machine’s is ${Math.round(off / 1000)} s ${aheadMs > 0 ? 'behind' : 'ahead of'} the project’s`;
  const todo = 'Set it by the network: timedatectl set-ntp true';
  return off < HARMFUL_MS
    ? warning('the clock', `${says}; no time on the page depends on it`, todo)
    : trouble('the clock', `${says}: sessions end too early or too late, certificates may be refused`, todo);
}
