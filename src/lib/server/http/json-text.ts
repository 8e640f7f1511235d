/**
 * JSON that is also safe to view. Workers wrote its texts, so characters that change the reading order, are invisible or could
 * be markup are escaped. A parser gets the same value.
 */
export function jsonText(value: unknown): string {
  return JSON.stringify(value).replace(HARMFUL, (found) =>
    Array.from({ length: found.length }, (_, i) => escaped(found.charCodeAt(i))).join(''),
  );
}

/** Markup; DEL and C1; marks, overrides and isolates of direction; zero width; line separators; tag characters. */
const HARMFUL =
  /[<>&\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\udb40[\udc00-\udfff]/g;

function escaped(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`;
}
