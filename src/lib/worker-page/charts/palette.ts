/** The colours of a drawing, by design token. A canvas can't read tokens, so it gets their values. */
const TOKENS = {
  surface: '--surface',
  line: '--line',
  lineStrong: '--line-strong',
  ink: '--ink-2',
  faint: '--ink-3',
  accent: '--accent',
  healthy: '--healthy',
  warning: '--warning',
  critical: '--critical',
} as const;

export type Tone = keyof typeof TOKENS;
export type Palette = Readonly<Record<Tone, string>> & { readonly font: string };

/** The tokens' values for `node` in the current colour scheme. */
export function paletteOf(node: HTMLElement): Palette {
  // Read through a colour property, because a token may be a formula, which a canvas can't read.
  const probe = document.createElement('span');
  node.append(probe);
  const style = getComputedStyle(probe);
  const colours = Object.entries(TOKENS).map(([tone, token]) => {
    probe.style.color = `var(${token})`;
    return [tone, style.color];
  });
  // uPlot reads only whole pixels.
  const font = `12px ${style.fontFamily}`;
  probe.remove();
  return { ...(Object.fromEntries(colours) as Record<Tone, string>), font };
}

/** The colours for print: the tokens of the light scheme. */
export const ON_PAPER: Readonly<Record<Tone, string>> = {
  surface: '#ffffff',
  line: '#e3e6eb',
  lineStrong: '#cfd4dc',
  ink: '#4a5160',
  faint: '#646c7c',
  accent: '#3a5bd9',
  healthy: '#12784a',
  warning: '#8a5a00',
  critical: '#c31f2d',
};

/** A transparent colour. */
export function sheer(colour: string, part: number): string {
  return `color-mix(in srgb, ${colour} ${part * 100}%, transparent)`;
}
