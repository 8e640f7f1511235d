const kept = new Map<string, { time: Intl.DateTimeFormat; day: Intl.DateTimeFormat }>();

function formats(timeZone: string) {
  let found = kept.get(timeZone);
  if (!found) {
    found = {
      time: new Intl.DateTimeFormat('en-GB', {
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
        fractionalSecondDigits: 3,
        hourCycle: 'h23',
        timeZone,
      }),
      day: new Intl.DateTimeFormat('en-GB', {
        weekday: 'short',
        day: 'numeric',
        month: 'short',
        year: 'numeric',
        timeZone,
      }),
    };
    kept.set(timeZone, found);
  }
  return found;
}

/** "14:05:09.123", in the reader's zone. */
export function logTime(at: Date, zone: string): string {
  return formats(zone).time.format(at);
}

/** "Sun, 22 Nov 2026" */
export function logDay(at: Date, zone: string): string {
  return formats(zone).day.format(at);
}
