/**
 * The instant that a wall clock in a zone shows as this: what a `datetime-local` field gives, read where its viewer is.
 * Where clocks are set forward and it never is that late, the instant after the gap; where they are set back and it is so
 * twice, the first.
 *
 * @param local "2026-11-22T09:00"
 * @param zone an IANA name
 * @returns null where either is none
 */
export function zoned(local: string, zone: string): Date | null {
  const wall = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$/.test(local) ? Date.parse(`${local}Z`) : NaN;
  if (Number.isNaN(wall)) return null;
  try {
    // The zone's offset before and after: between the two lies every change of it that matters here.
    const offsets = [wall - DAY_MS, wall + DAY_MS].map((at) => offsetMs(at, zone));
    const fits = offsets.map((offset) => wall - offset).filter((at) => at + offsetMs(at, zone) === wall);
    return new Date(fits.length > 0 ? Math.min(...fits) : wall - offsets[0]!);
  } catch {
    return null; // no such zone
  }
}

const DAY_MS = 86_400_000;

/** By how much the clocks of a zone are ahead of UTC at an instant. @throws {RangeError} no such zone */
function offsetMs(at: number, zone: string): number {
  // Swedish writes dates as ISO 8601 does.
  const wall = new Intl.DateTimeFormat('sv-SE', {
    dateStyle: 'short',
    timeStyle: 'medium',
    timeZone: zone,
  }).format(at);
  return Date.parse(`${wall.replace(' ', 'T')}Z`) - Math.floor(at / 1000) * 1000;
}
