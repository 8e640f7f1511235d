import { globSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const src = fileURLToPath(new URL('../../src', import.meta.url));

/** The rooms of src/lib, and which others each may import (src/README.md). Routes may import all of them. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  time: [],
  ui: ['time'],
  rules: ['time'],
  server: ['rules', 'time'],
  live: ['rules', 'time'],
  signs: ['live', 'rules', 'time', 'ui'],
  public: ['signs', 'rules', 'time', 'ui'],
  'fleet-page': ['signs', 'live', 'rules', 'time', 'ui'],
  'worker-page': ['signs', 'live', 'rules', 'time', 'ui'],
};

const files = globSync('**/*.{ts,svelte}', { cwd: src }).map((file) => file.replaceAll('\\', '/'));
const importsOf = new Map(files.map((file) => [file, readImports(file)]));

describe('the imports of src', () => {
  it('go from routes to pages, to live, to rules, and never back', () => {
    const forbidden: string[] = [];
    for (const [file, imports] of importsOf)
      for (const other of imports) if (!isAllowed(file, other)) forbidden.push(`${file} → ${other}`);
    expect(forbidden).toEqual([]);
  });

  it('make no circle between files', () => {
    expect(circles()).toEqual([]);
  });

  it('lead to files that exist', () => {
    const missing = [...importsOf].flatMap(([file, imports]) =>
      imports
        .filter((other) => !other.includes('$types') && !importsOf.has(other))
        .map((other) => `${file} → ${other}`),
    );
    expect(missing).toEqual([]);
  });
});

function isAllowed(file: string, other: string): boolean {
  const [from, to] = [roomOf(file), roomOf(other)];
  if (from === to) return true;
  if (to === 'routes') return false;
  if (from === 'routes') return true;
  // Server code of a page stands beside the page, in files that SvelteKit keeps out of the browser.
  if (to === 'server') return file.endsWith('.server.ts');
  return MAY_IMPORT[from]?.includes(to) ?? false;
}

/** The folder in src/lib; `routes` for all that is outside of it. */
function roomOf(file: string): string {
  const [top, room] = file.split('/');
  return top === 'lib' ? room! : 'routes';
}

/** Files of ours that a file imports, with their types and what it loads later. */
function readImports(file: string): string[] {
  const text = readFileSync(join(src, file), 'utf8');
  const found = text.matchAll(
    /(?:\bfrom|\bimport\(|^\s*import)\s*'((?:\.{1,2}|\$lib)\/[^']+\.(?:ts|svelte))'/gm,
  );
  return [...found].map(([, path]) =>
    path!.startsWith('$lib/') ? path!.replace('$lib', 'lib') : posix.join(dirname(file), path!),
  );
}

/** One path for each circle that a walk through all imports meets. */
function circles(): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]) => {
    const start = path.indexOf(file);
    if (start >= 0) found.push([...path.slice(start), file].join(' → '));
    if (start >= 0 || done.has(file)) return;
    for (const other of importsOf.get(file) ?? []) if (other !== file) walk(other, [...path, file]);
    done.add(file);
  };
  for (const file of files) walk(file, []);
  return found;
}
