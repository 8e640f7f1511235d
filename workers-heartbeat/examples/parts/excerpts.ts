const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

/**
 * Short texts out of a rendered page, one per section: its heading and the first paragraph below it.
 *
 * @param most characters in each; a longer text is cut at a word and ends in "…"
 */
export function excerptsOf(html: string, most: number): string[] {
  return html.split(/(?=<h[1-6][\s>])/i).flatMap((section) => {
    const [, heading] = section.match(/<h[1-6][^>]*>(.*?)<\/h[1-6]>/is) ?? [];
    const [, paragraph] = section.match(/<p[^>]*>(.*?)<\/p>/is) ?? [];
    return heading && paragraph ? [shorten(`${plain(heading)}: ${plain(paragraph)}`, most)] : [];
  });
}

function plain(html: string): string {
  return html
    .replace(/<[^>]*>/g, '')
    .replace(/&(\w+|#\d+);/g, (all, name) => ENTITIES[name] ?? all)
    .replace(/\s+/g, ' ')
    .trim();
}

/** Cuts a text between two words, to at most `most` characters. */
export function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  const cut = text.slice(0, most - 1);
  return `${cut.slice(0, Math.max(cut.lastIndexOf(' '), most / 2)).trimEnd()}…`;
}
