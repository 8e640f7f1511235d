import { readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { gzipSync } from 'node:zlib';
import { transformSync } from 'esbuild';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { buildHeartbeat, extensions, modules } from '../../workers-heartbeat/build.ts';

const committed = (name: string) =>
  readFile(new URL(`../../workers-heartbeat/${name}`, import.meta.url), 'utf8');
const linesOf = async (name: string) => (await committed(name)).trimEnd().split('\n').length;
const parts = modules.filter((module) => module.startsWith('heartbeat-'));

describe('the files that people copy', () => {
  it('are what `npm run heartbeat` makes of the sources', async () => {
    for (const [name, text] of Object.entries(await buildHeartbeat()))
      expect(await committed(name), name).toBe(text);
  }, 60_000);

  it.each(modules.flatMap((module) => [`${module}.mjs`, `${module}.cjs`]))(
    '%s needs nothing but Node, and the core where it is the wrapper for Vercel',
    async (name) => {
      const text = await committed(name);
      const imports = text.matchAll(/^(?:import|const|}) .*(?:from |require\()['"]([^'"]+)['"]/gm);
      const imported = [...imports].map(([, from]) => from!);
      for (const from of imported) {
        if (name.startsWith('vercel') && /^\.\/heartbeat\.[cm]js$/.test(from)) continue;
        expect(from).toMatch(/^node:/);
        expect(builtinModules).toContain(from.slice(5));
      }
    },
  );

  it.each(parts)('%s takes only types from the core', async (part) => {
    const source = ts.createSourceFile(
      part,
      await committed(`${part}.ts`),
      ts.ScriptTarget.ES2022,
      false,
      ts.ScriptKind.TS,
    );
    const imports = source.statements.filter(ts.isImportDeclaration);
    const ours = imports.filter((one) => (one.moduleSpecifier as ts.StringLiteral).text.startsWith('.'));
    expect(ours).not.toHaveLength(0);
    for (const one of ours) {
      expect((one.moduleSpecifier as ts.StringLiteral).text).toBe('./heartbeat.js');
      expect(one.importClause?.phaseModifier).toBe(ts.SyntaxKind.TypeKeyword);
    }
  });

  it('have types without internals', async () => {
    for (const module of modules)
      for (const extension of extensions.filter((one) => one.startsWith('d.')))
        expect(await committed(`${module}.${extension}`)).not.toMatch(/@internal|exitReport|settings:/);
  });

  it('keep their comments', async () => {
    expect(await committed('heartbeat.mjs')).toContain('The module never hurts its worker');
  });
});

// docs/decisions/0012 says what for.
describe('the core', () => {
  it('has at most 700 lines with its documentation', async () => {
    expect(await linesOf('heartbeat.mjs')).toBeLessThanOrEqual(700);
  });

  it('takes at most 7 KB, minified and gzipped', async () => {
    const { code } = transformSync(await committed('heartbeat.mjs'), { minify: true, format: 'esm' });
    expect(gzipSync(code, { level: 9 }).length).toBeLessThanOrEqual(7 * 1024);
  });
});

it.each(parts)('the part %s has at most 200 lines', async (part) => {
  expect(await linesOf(`${part}.ts`)).toBeLessThanOrEqual(200);
});
