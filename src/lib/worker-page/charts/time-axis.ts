const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Usual time steps; all divide a day, or are whole days. */
const STEPS = [
  ...[1, 2, 5, 10, 15, 20, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 4, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 7, 14, 28].map((n) => n * DAY),
];

/**
 * The marks of a time axis: round times in the viewer's zone, midnights included, also across daylight-saving changes.
 *
 * @param from epoch seconds
 * @param atMost maximum number of marks
 * @param zone an IANA name
 * @returns epoch seconds
 */
export function timeMarks(from: number, to: number, atMost: number, zone: string): number[] {
  const step = STEPS.find((size) => Math.floor((to - from) / size) < atMost) ?? STEPS.at(-1)!;
  const marks: number[] = [];
  // In wall-clock time, taken as UTC, all marks are multiples of the step.
  const first = Math.ceil((from + offset(from, zone)) / step) * step;
  const last = to + offset(to, zone);
  for (let wall = first; wall <= last; wall += step) {
    const mark = instantOf(wall, zone);
    // A repeated hour is marked once, a skipped hour not at all.
    if (mark >= from && mark <= to && mark > (marks.at(-1) ?? -Infinity)) marks.push(mark);
  }
  return marks;
}

/** "14:30", or "22 Nov" at midnight. */
export function markText(mark: number, zone: string): string {
  return (mark + offset(mark, zone)) % DAY === 0
    ? formats(zone).date.format(mark * 1000)
    : clockTime(mark, zone);
}

/** "14:30" */
export function clockTime(at: number, zone: string): string {
  return formats(zone).time.format(at * 1000);
}

/**
 * The time of a step: "22 Nov, 14:30–14:35", with both dates across midnight.
 */
export function stepTime(at: number, seconds: number, zone: string): string {
  const { date } = formats(zone);
  const [begin, end] = [date.format(at * 1000), date.format((at + seconds - 1) * 1000)];
  const from = `${begin}, ${clockTime(at, zone)}`;
  const to = clockTime(at + seconds, zone);
  return begin === end ? `${from}–${to}` : `${from} – ${end}, ${to}`;
}

/** Seconds that the zone's wall clock is ahead of UTC. */
function offset(at: number, zone: string): number {
  const parts = formats(zone).all.formatToParts(at * 1000);
  const part = (type: string) => Number(parts.find((one) => one.type === type)!.value);
  const wall = Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  );
  return wall / 1000 - Math.floor(at);
}

/** The instant of a wall-clock time, with the offset that is valid there. */
function instantOf(wall: number, zone: string): number {
  const guess = wall - offset(wall, zone);
  return wall - offset(guess, zone);
}

interface Formats {
  time: Intl.DateTimeFormat;
  date: Intl.DateTimeFormat;
  all: Intl.DateTimeFormat;
}
const kept = new Map<string, Formats>();

function formats(timeZone: string): Formats {
  let found = kept.get(timeZone);
  if (!found) {
    const make = (options: Intl.DateTimeFormatOptions) =>
      new Intl.DateTimeFormat('en-GB', { ...options, timeZone, hourCycle: 'h23' });
    found = {
      time: make({ hour: '2-digit', minute: '2-digit' }),
      date: make({ day: 'numeric', month: 'short' }),
      all: make({
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      }),
    };
    kept.set(timeZone, found);
  }
  return found;
}
