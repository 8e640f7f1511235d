/**
 * Makes the files to copy, heartbeat.mjs and vercel.mjs, and their types, .d.mts, out of heartbeat.ts and vercel.ts.
 *
 * Plain JavaScript that people can read: types are cut out, everything else stays as it was written, comments included.
 * Not a bundler's output, because whoever copies the file into a codebase will want to know what it does there.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { format, resolveConfig } from 'prettier';
import ts from 'typescript';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const modules = ['heartbeat', 'vercel'] as const;
const generated = (what: string, module: string) =>
  `// ${what} of Lastseen's ${module} module, made from ${module}.ts by \`npm run heartbeat\`.\n`;

/** What the files should hold, made from the sources as they are now. */
export async function buildHeartbeat(): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const module of modules) {
    const source = await readFile(here(`${module}.ts`), 'utf8');
    files[`${module}.mjs`] = await pretty(
      generated('The code', module) + withoutTypes(source),
      `${module}.mjs`,
    );
    files[`${module}.d.mts`] = await pretty(
      generated('The types', module) + declarations(source),
      `${module}.d.mts`,
    );
  }
  return files;
}

/**
 * Cuts out declarations that are only types, with the comments above them, then erases the types in what is left.
 * TypeScript's printer would drop the blank lines; the source allows only erasable syntax, so blank lines of the source
 * are carried through it as comments.
 */
function withoutTypes(source: string) {
  const file = ts.createSourceFile('heartbeat.ts', source, ts.ScriptTarget.ES2022, true);
  const typeOnly = file.statements.filter(
    (node) => ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node),
  );
  let code = source;
  for (const node of typeOnly.reverse())
    code = code.slice(0, node.getFullStart()) + code.slice(node.getEnd());
  const blank = '// \u2060blank';
  const { outputText } = ts.transpileModule(code.replace(/^\s*$/gm, blank), {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, removeComments: false },
  });
  return outputText.replaceAll(blank, '');
}

function declarations(source: string) {
  const { outputText } = ts.transpileDeclaration(source, {
    compilerOptions: { target: ts.ScriptTarget.ES2022 },
  });
  return outputText;
}

async function pretty(text: string, name: string) {
  return format(text, { ...(await resolveConfig(here(name))), filepath: here(name) });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [name, text] of Object.entries(await buildHeartbeat())) await writeFile(here(name), text);
}
