import { readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { gzipSync } from 'node:zlib';
import { transformSync } from 'esbuild';
import { minifySync } from 'vite';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { buildHeartbeat } from '../../workers-heartbeat/build.ts';

const committed = (name: string) =>
  readFile(new URL(`../../workers-heartbeat/${name}`, import.meta.url), 'utf8');

let built: ReturnType<typeof buildHeartbeat> | undefined;

describe('the file that people copy', () => {
  it.each(['heartbeat.mjs', 'heartbeat.d.mts', 'vercel.mjs', 'vercel.d.mts'])(
    '%s is what `npm run heartbeat` makes of the source',
    async (name) => {
      expect(await committed(name)).toBe((await (built ??= buildHeartbeat()))[name]);
    },
  );

  it('needs nothing but Node', async () => {
    const { importedFiles } = ts.preProcessFile(await committed('heartbeat.mjs'));
    expect(importedFiles.length).toBeGreaterThan(3);
    for (const { fileName } of importedFiles) {
      expect(fileName).toMatch(/^node:/);
      expect(builtinModules).toContain(fileName.slice(5));
    }
  });

  it('keeps its comments', async () => {
    expect(await committed('heartbeat.mjs')).toContain('It never hurts the worker that carries it.');
  });

  // docs/decisions/0004 says what for, and what each part costs.
  it.each([
    [
      'Vite’s',
      (source: string) =>
        minifySync('heartbeat.mjs', source, { module: true, mangle: { toplevel: true } }).code,
    ],
    ['esbuild', (source: string) => transformSync(source, { minify: true, format: 'esm' }).code],
  ])('takes at most 10.5 KB of a bundle, minified by %s and gzipped', async (_, minify) => {
    const code = minify(await committed('heartbeat.mjs'));
    expect(gzipSync(code, { level: 9 }).length).toBeLessThanOrEqual(10.5 * 1024);
  });
});
