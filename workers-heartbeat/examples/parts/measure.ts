import { lexer, walkTokens } from 'marked';
import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Words that people read a minute: 238 for prose on a screen (Brysbaert 2019), less for technical text. */
const READING_SPEED = 220;

/** The length of a Markdown text, and its broken links to other files. `path` is relative to `root`. */
export async function measure(root: string, path: string, markdown: string) {
  let words = 0;
  let headings = 0;
  const targets = new Set<string>();
  walkTokens(lexer(markdown), (token) => {
    if (token.type === 'heading') headings++;
    // A token with inner tokens repeats their text, so only the leaves count.
    if (token.type === 'text' && !token.tokens)
      words += String(token.text).match(/[\p{L}\p{N}]+/gu)?.length ?? 0;
    if (token.type === 'link' || token.type === 'image') targets.add(String(token.href));
  });

  const broken: string[] = [];
  for (const target of targets) {
    const file = localFile(target);
    // As on GitHub: "/docs/x.md" starts at the root of the repository.
    if (file && !(await exists(file.startsWith('/') ? join(root, file) : join(root, dirname(path), file)))) {
      broken.push(target);
    }
  }
  return { words, headings, minutes: Math.ceil(words / READING_SPEED), broken };
}

/** The file that a link points to; null for another site, a mail address, or a place on this page. */
function localFile(target: string): string | null {
  if (/^([a-z][a-z0-9+.-]*:|\/\/|#|$)/i.test(target)) return null;
  const [file = ''] = target.split(/[?#]/);
  return URL.canParse(`file:///${file}`) ? decode(file) : null;
}

function decode(file: string): string {
  try {
    return decodeURIComponent(file);
  } catch {
    return file; // a single "%" is allowed in a file name
  }
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
