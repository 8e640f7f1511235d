/** `npm run lines`: hand-written product lines per area, without blanks, comments and `comment on`. */
import { globSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What one area is made of, and what of it a program has written. */
const AREAS: Record<string, { files: string; not?: RegExp }> = {
  'src/routes': { files: 'src/routes/**/*.{ts,svelte}' },
  'src/lib': { files: 'src/lib/**/*.{ts,svelte}', not: /database\.types\.ts$/ },
  'src, the rest': { files: 'src/*.{ts,css,html}' },
  'supabase/migrations': { files: 'supabase/migrations/*.sql' },
  'supabase/local': { files: 'supabase/local/**/*.{ts,sql}' },
  'supabase/doctor': { files: 'supabase/doctor/**/*.ts' },
  // The core and its parts; what builds them is no product.
  'workers-heartbeat': { files: 'workers-heartbeat/*.ts', not: /build\.ts$|\.d\.[cm]ts$/ },
};

const root = process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url));
let sum = 0;
for (const [area, { files, not }] of Object.entries(AREAS)) {
  const paths = globSync(files, { cwd: root }).filter((path) => /\.\w+$/.test(path) && !not?.test(path));
  const lines = paths.reduce(
    (all, path) => all + productLines(readFileSync(join(root, path), 'utf8'), path.endsWith('.sql')),
    0,
  );
  sum += lines;
  print(area, paths.length, lines);
}
print(`all of ${relative(process.cwd(), root) || 'this folder'}`, null, sum);

function productLines(text: string, sql: boolean): number {
  const comment = sql ? /^\s*--/ : /^\s*\/\//;
  return text
    .replace(/^[ \t]*(\/\*|<!--)[^]*?(\*\/|-->)/gm, '')
    .replace(/^[ \t]*comment on [^]*?';[ \t]*$/gm, '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !comment.test(line)).length;
}

function print(area: string, files: number | null, lines: number): void {
  const count = (n: number) => n.toLocaleString('en').padStart(7);
  console.log(`${area.padEnd(22)} ${count(lines)} lines${files === null ? '' : ` in ${files} files`}`);
}
