/**
 * The instant of a wall-clock time in a zone, such as the value of a `datetime-local` field. A time in the gap when clocks are
 * set forward gives the instant after the gap. A time that occurs twice when clocks are set back gives the first instant.
 *
 * @param local "2026-11-22T09:00"
 * @param zone an IANA name
 * @returns null if either is invalid
 */
export function zoned(local: string, zone: string): Date | null {
  const wall = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$/.test(local) ? Date.parse(`${local}Z`) : NaN;
  if (Number.isNaN(wall)) return null;
  try {
    // The zone's offsets a day before and after include any change that matters here.
    const offsets = [wall - DAY_MS, wall + DAY_MS].map((at) => offsetMs(at, zone));
    const fits = offsets.map((offset) => wall - offset).filter((at) => at + offsetMs(at, zone) === wall);
    return new Date(fits.length > 0 ? Math.min(...fits) : wall - offsets[0]!);
  } catch {
    return null; // no such zone
  }
}

const DAY_MS = 86_400_000;

/** The offset of a zone from UTC at an instant, in ms. @throws {RangeError} if the zone does not exist */
function offsetMs(at: number, zone: string): number {
  // Swedish dates have the form of ISO 8601.
  const wall = new Intl.DateTimeFormat('sv-SE', {
    dateStyle: 'short',
    timeStyle: 'medium',
    timeZone: zone,
  }).format(at);
  return Date.parse(`${wall.replace(' ', 'T')}Z`) - Math.floor(at / 1000) * 1000;
}
