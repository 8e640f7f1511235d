import { glob, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface MarkdownFile {
  /** Relative to the searched folder, with forward slashes. */
  path: string;
  /** When it was last written, ms since the epoch. */
  changed: number;
}

/** The Markdown files below a folder, by name; hidden folders and node_modules left out. A missing folder has none. */
export async function markdownFiles(below: string): Promise<MarkdownFile[]> {
  const files: MarkdownFile[] = [];
  for await (const found of glob('**/*.md', { cwd: below, exclude: ['**/node_modules', '**/.*'] })) {
    const stats = await stat(join(below, found)).catch(() => null); // removed since it was listed, for example by an editor's rename
    if (stats?.isFile()) files.push({ path: found.replaceAll('\\', '/'), changed: stats.mtimeMs });
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The text of a file, or null if it was removed since it was listed. */
export function readIfThere(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
}
