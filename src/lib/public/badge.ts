import type { Level } from '../rules/health.ts';

const GREY = '#6b7280';
/** White text has a contrast of at least 4.5 on each. */
const COLOURS: Readonly<Record<Level, string>> = {
  healthy: '#12784a',
  warning: '#8a5a00',
  critical: '#c31f2d',
  inactive: GREY,
  unknown: GREY,
};

const HEIGHT = 20;
const PADDING = 6;
const FONT_SIZE = 11;
const LONGEST = 60;

/**
 * A badge for READMEs: the label on the left, the state on the right. Contains no scripts, styles, links or external
 * content, whatever the texts are.
 */
export function badge(label: string, message: string, level: Level): string {
  const left = visible(label);
  const right = visible(message);
  const leftText = textWidth(left);
  const rightText = textWidth(right);
  const leftBox = leftText + 2 * PADDING;
  const width = leftBox + rightText + 2 * PADDING;
  // With textLength, text in another font stays within its box.
  const text = (words: string, x: number, length: number) =>
    `<text x="${x}" y="14" textLength="${length}" lengthAdjust="spacingAndGlyphs">${escaped(words)}</text>`;
  const about = escaped(`${left}: ${right}`);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${HEIGHT}" role="img" aria-label="${about}">` +
    `<title>${about}</title>` +
    `<clipPath id="r"><rect width="${width}" height="${HEIGHT}" rx="3"/></clipPath>` +
    `<g clip-path="url(#r)"><rect width="${leftBox}" height="${HEIGHT}" fill="#374151"/>` +
    `<rect x="${leftBox}" width="${width - leftBox}" height="${HEIGHT}" fill="${COLOURS[level]}"/></g>` +
    `<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="${FONT_SIZE}">` +
    `${text(left, PADDING, leftText)}${text(right, leftBox + PADDING, rightText)}</g></svg>\n`
  );
}

/** One line, without characters that change the reading order, are invisible or invalid. */
function visible(text: string): string {
  const clean = text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\ufffe\uffff]/gu, '\ufffd')
    .trim();
  const characters = [...clean];
  return characters.length > LONGEST ? `${characters.slice(0, LONGEST - 1).join('')}…` : clean || '?';
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** Widths of Verdana's characters from the space to the tilde, in hundredths of the font size. */
const WIDTHS = [
  35, 39, 46, 82, 64, 108, 73, 27, 45, 45, 64, 82, 36, 45, 36, 45, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 45,
  45, 82, 82, 82, 55, 100, 68, 69, 70, 77, 63, 57, 78, 75, 42, 45, 69, 56, 84, 75, 79, 60, 79, 70, 68, 62, 73,
  68, 99, 69, 62, 69, 45, 45, 45, 82, 64, 64, 60, 62, 52, 62, 60, 35, 62, 63, 27, 34, 59, 27, 97, 63, 61, 62,
  62, 43, 52, 39, 63, 59, 82, 59, 59, 53, 63, 45, 63, 82,
];
/** Other characters count as wide as high, which is enough for the widest scripts. */
const OTHERS = 100;

/** Whole pixels. */
function textWidth(text: string): number {
  let hundredths = 0;
  for (const character of text) hundredths += WIDTHS[character.codePointAt(0)! - 32] ?? OTHERS;
  return Math.max(1, Math.round((hundredths * FONT_SIZE) / 100));
}
