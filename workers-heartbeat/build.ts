/**
 * Makes the files to copy out of heartbeat.ts, its parts and vercel.ts: .mjs and .cjs, and their types, .d.mts and .d.cts.
 *
 * Plain JavaScript that people can read: types are cut out, everything else stays as it was written, comments included.
 * Not a bundler's output, because whoever copies the file into a codebase will want to know what it does there.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { format, resolveConfig } from 'prettier';
import ts from 'typescript';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
/** The core, its parts, and the wrapper for Vercel. */
export const modules = [
  'heartbeat',
  'heartbeat-logs',
  'heartbeat-commands',
  'heartbeat-drain',
  'heartbeat-breaker',
  'heartbeat-leases',
  'heartbeat-resources',
  'vercel',
] as const;
/** The file extensions of each: for ES modules, for CommonJS, and the types of both. */
export const extensions = ['mjs', 'cjs', 'd.mts', 'd.cts'] as const;

/** What the files should hold, made from the sources as they are now. */
export async function buildHeartbeat(): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const module of modules) {
    const source = await readFile(here(`${module}.ts`), 'utf8');
    for (const extension of extensions) {
      const name = `${module}.${extension}`;
      const [what, text] = extension.startsWith('d.')
        ? ['types', declarations(source, extension === 'd.mts' ? 'mjs' : 'cjs')]
        : ['code', withoutTypes(source, extension === 'mjs' ? 'mjs' : 'cjs')];
      const head = `// The ${what} of Lastseen's ${module} module, made from ${module}.ts by \`npm run heartbeat\`.\n`;
      files[name] = await format(head + text, {
        ...(await resolveConfig(here(name))),
        filepath: here(name),
      });
    }
  }
  return files;
}

type Kind = 'mjs' | 'cjs';
/** Imports of each other point to the file of the same kind. */
const ofKind = (text: string, kind: Kind) =>
  text.replace(/(["'])(\.\/(?:heartbeat[\w-]*|vercel))\.(?:js|mjs|cjs)\1/g, `$1$2.${kind}$1`);

/**
 * Cuts out declarations that are only types, with the comments above them, then erases the types in what is left.
 * TypeScript's printer would drop the blank lines; the source allows only erasable syntax, so blank lines of the source
 * are carried through it as comments.
 */
function withoutTypes(source: string, kind: Kind) {
  const file = ts.createSourceFile('heartbeat.ts', source, ts.ScriptTarget.ES2022, true);
  const typeOnly = file.statements.filter(
    (node) => ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node),
  );
  let code = source;
  for (const node of typeOnly.reverse())
    code = code.slice(0, node.getFullStart()) + code.slice(node.getEnd());
  code = code.replace(/^ *\/\*\* @internal \*\/ abstract .*\n/gm, '').replace(/ *@internal(?= *\*\/)/g, '');
  const blank = '// \u2060blank';
  const { outputText } = ts.transpileModule(code.replace(/^\s*$/gm, blank), {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: kind === 'mjs' ? ts.ModuleKind.ESNext : ts.ModuleKind.CommonJS,
      removeComments: false,
    },
  });
  return ofKind(outputText.replaceAll(blank, '').replace(/^( *)\/\*\* *\*\/(?:\n| )/gm, '$1'), kind);
}

/** The types of what users may call; members marked `@internal` are left out. */
function declarations(source: string, kind: Kind) {
  const { outputText } = ts.transpileDeclaration(source, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, stripInternal: true },
  });
  return ofKind(outputText, kind);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [name, text] of Object.entries(await buildHeartbeat())) await writeFile(here(name), text);
}
