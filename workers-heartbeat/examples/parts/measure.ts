import { lexer, walkTokens } from 'marked';
import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Words a minute that people read of plain prose on a screen (Brysbaert 2019: 238; technical text is slower). */
const READING_SPEED = 220;

/** How long a Markdown text is, and which of its links to other files lead nowhere. `path` is relative to `root`. */
export async function measure(root: string, path: string, markdown: string) {
  let words = 0;
  let headings = 0;
  const targets = new Set<string>();
  walkTokens(lexer(markdown), (token) => {
    if (token.type === 'heading') headings++;
    // A token that has tokens of its own repeats their text: only the leaves are counted.
    if (token.type === 'text' && !token.tokens)
      words += String(token.text).match(/[\p{L}\p{N}]+/gu)?.length ?? 0;
    if (token.type === 'link' || token.type === 'image') targets.add(String(token.href));
  });

  const broken: string[] = [];
  for (const target of targets) {
    const file = localFile(target);
    // As GitHub reads them: "/docs/x.md" starts at the top of the repository.
    if (file && !(await exists(file.startsWith('/') ? join(root, file) : join(root, dirname(path), file)))) {
      broken.push(target);
    }
  }
  return { words, headings, minutes: Math.ceil(words / READING_SPEED), broken };
}

/** The file that a link means, or null when it leads elsewhere: another site, a mail address, a place on this page. */
function localFile(target: string): string | null {
  if (/^([a-z][a-z0-9+.-]*:|\/\/|#|$)/i.test(target)) return null;
  const [file = ''] = target.split(/[?#]/);
  return URL.canParse(`file:///${file}`) ? decode(file) : null;
}

function decode(file: string): string {
  try {
    return decodeURIComponent(file);
  } catch {
    return file; // a lone "%" is an ordinary letter in a file name
  }
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
