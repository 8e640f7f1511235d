const DAY_MS = 86_400_000;
/** How many bad days are listed; the rest are counted. */
const MOST_NAMED = 3;

/** One day of a worker: `up` the whole day, a `dip` of less than 1 %, `down` for longer, or without data. */
export interface UptimeDay {
  sort: 'up' | 'dip' | 'down' | 'unknown';
  /** "2026-11-22: 99.31 %" */
  words: string;
}

/** Uptime for the public page, as text and by day. @param days percent, today last @param now ISO 8601 */
export function uptimeText(percent: number, days: readonly (number | null)[], now: string) {
  const all: UptimeDay[] = days.map((day, i) => {
    const date = new Date(Date.parse(now) - (days.length - 1 - i) * DAY_MS).toISOString().slice(0, 10);
    return {
      sort: day === null ? 'unknown' : day >= 100 ? 'up' : day >= 99 ? 'dip' : 'down',
      words: `${date}: ${day === null ? 'no data' : `${day} %`}`,
    };
  });
  const known = all.filter(({ sort }) => sort !== 'unknown').length;
  const bad = all.filter(({ sort }) => sort === 'dip' || sort === 'down').toReversed();
  const named = bad.slice(0, MOST_NAMED).map(({ words }) => words);
  const rest = bad.length > MOST_NAMED ? [`and ${bad.length - MOST_NAMED} more days below 100 %`] : [];
  const of = `of ${known} ${known === 1 ? 'day' : 'days'}`;
  return {
    percent: `${percent} %`,
    of,
    days: all,
    words: [`Up ${percent} % ${of}`, ...named, ...rest].join('; '),
  };
}
