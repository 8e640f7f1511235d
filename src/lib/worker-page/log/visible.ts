/** A part of a message: text, or the code of an invisible character. */
export interface Part {
  readonly text: string;
  readonly is: 'text' | 'found' | 'code';
}

/**
 * Invisible characters: control characters except tab and line feed, direction marks and overrides, zero width, line
 * separators, byte order marks, tag characters. Joiners between emoji are allowed.
 */
const UNSEEN =
  // eslint-disable-next-line no-control-regex -- the pattern is about them
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|(?<!\p{Extended_Pictographic}(?:\ufe0f|\p{Emoji_Modifier})?)\u200d/gu;

/** "\x1b", "\u202e": the escape in code. */
function codeOf(character: string): string {
  const code = character.codePointAt(0)!;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`;
}

/** A text without invisible characters, for a file that may be shown in a terminal. */
export function visible(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(UNSEEN, codeOf);
}

/** A message in parts, with visible codes for invisible characters and the search matches marked. */
export function partsOf(message: string, search = ''): Part[] {
  const parts: Part[] = [];
  const add = (text: string, is: Part['is']) => {
    if (text) parts.push({ text, is });
  };
  const addText = (text: string) => {
    for (let from = 0; ;) {
      const at = search ? text.toLowerCase().indexOf(search.toLowerCase(), from) : -1;
      if (at < 0) return add(text.slice(from), 'text');
      add(text.slice(from, at), 'text');
      add(text.slice(at, at + search.length), 'found');
      from = at + search.length;
    }
  };
  const clean = message.replaceAll('\r\n', '\n');
  let from = 0;
  for (const { 0: character, index } of clean.matchAll(UNSEEN)) {
    addText(clean.slice(from, index));
    add(codeOf(character), 'code');
    from = index + character.length;
  }
  addText(clean.slice(from));
  return parts;
}

/** Limits from which a message is shortened: characters and lines. */
const LONG = 600;
const TALL = 8;

/** The beginning of a long message; null for a short one. */
export function beginningOf(message: string): string | null {
  const lines = message.split('\n', TALL + 1);
  const cut = lines.length > TALL ? lines.slice(0, TALL).join('\n') : message;
  // A slightly longer message is not worth a button.
  if (cut.length > LONG * 1.2) return [...cut].slice(0, LONG).join('');
  return cut.length < message.length ? cut : null;
}
