/**
 * Metadata for display. A worker writes it, so depth, breadth and length are limited, and invisible characters are made
 * visible.
 */
export type Value =
  | { readonly kind: 'text'; readonly text: string; readonly long: boolean }
  | { readonly kind: 'figure' | 'flag' | 'none'; readonly text: string }
  | { readonly kind: 'link'; readonly text: string; readonly href: string }
  | { readonly kind: 'list' | 'object'; readonly items: readonly Item[]; readonly left: number }
  | { readonly kind: 'deep'; readonly text: string };

export interface Item {
  /** The key in an object, or the place in a list, from 1. */
  readonly label: string;
  readonly value: Value;
}

const DEEPEST = 6;
const WIDEST = 100;
/** A longer text is collapsed. */
const LONG = 240;

/** @param deep the current depth; for recursion only */
export function toValue(value: unknown, deep = 0): Value {
  if (value === null || value === undefined) return { kind: 'none', text: 'nothing' };
  if (typeof value === 'boolean') return { kind: 'flag', text: value ? 'yes' : 'no' };
  if (typeof value === 'number') return { kind: 'figure', text: figure.format(value) };
  if (typeof value === 'string') return toText(value);
  if (deep >= DEEPEST) return { kind: 'deep', text: visible(JSON.stringify(value) ?? '') };
  const entries: [string, unknown][] = Array.isArray(value)
    ? value.map((one, index) => [String(index + 1), one])
    : Object.entries(value);
  const items = entries
    .slice(0, WIDEST)
    .map(([label, one]): Item => ({ label: visible(label), value: toValue(one, deep + 1) }));
  return { kind: Array.isArray(value) ? 'list' : 'object', items, left: entries.length - items.length };
}

function toText(text: string): Value {
  if (text === '') return { kind: 'none', text: 'empty' };
  const href = text.length <= 2000 ? webAddress(text) : null;
  if (href) return { kind: 'link', text, href };
  return { kind: 'text', text: visible(text), long: text.length > LONG || text.split('\n').length > 4 };
}

/** The text as a web address, if it is one completely, so that a link leads where its text says. */
function webAddress(text: string): string | null {
  // Printable ASCII only: no look-alikes, no marks that change the reading order.
  if (!/^https?:\/\/[\x21-\x7e]+$/.test(text)) return null;
  try {
    const url = new URL(text);
    return url.username || url.password ? null : url.href;
  } catch {
    return null;
  }
}

/**
 * Makes control characters and marks that change the reading order visible. Line feeds and tabs stay.
 */
export function visible(text: string): string {
  return text.replace(
    // eslint-disable-next-line no-control-regex -- the pattern is about them
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
    (character) =>
      character < ' '
        ? String.fromCodePoint(0x2400 + character.codePointAt(0)!)
        : `⟨${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}⟩`,
  );
}

// Grouped, with all digits, because numbers in metadata are often ids or exact counts.
const figure = new Intl.NumberFormat('en', { maximumFractionDigits: 20 });
