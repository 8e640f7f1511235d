import type { Level } from '../rules/health.ts';

const COLOURS: Record<Level, string> = {
  healthy: '#1f9d63',
  warning: '#d9930d',
  critical: '#d92d3a',
  unknown: '#7b8494',
  inactive: '#7b8494',
};

const GLYPHS: Record<Level, string> = {
  healthy: '<path d="m9.5 16.5 4.5 4.5 8.5-10"/>',
  warning: '<path d="M16 8v10M16 23.5v.1"/>',
  critical: '<path d="m11 11 10 10M21 11 11 21"/>',
  unknown: '<path d="M10 16h12"/>',
  inactive: '<path d="M12.5 11v10M19.5 11v10"/>',
};

/** The tab's icon: shape and colour show the worst level; hollow if the page is not live. */
export function favicon(level: Level, hollow = false): string {
  const colour = COLOURS[level];
  const disc = hollow
    ? `<circle cx="16" cy="16" r="13.5" fill="none" stroke="${colour}" stroke-width="3"/>`
    : `<circle cx="16" cy="16" r="15" fill="${colour}"/>`;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${disc}` +
    `<g fill="none" stroke="${hollow ? colour : '#fff'}" stroke-width="3.5" stroke-linecap="round" ` +
    `stroke-linejoin="round">${GLYPHS[level]}</g></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
