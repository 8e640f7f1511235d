import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { createFleet, type TestFleet } from './fixtures/fleet.ts';

// Users copy the sources into strict TypeScript projects of their own, or the built files with their types.

const run = promisify(execFile);
const module = fileURLToPath(new URL('../../workers-heartbeat/', import.meta.url));
const packages = fileURLToPath(new URL('../../node_modules/', import.meta.url));

let fleet: TestFleet;
let folder: string;
beforeEach(async () => {
  fleet = await createFleet();
  folder = await mkdtemp(join(tmpdir(), 'lastseen-ts-'));
});
afterEach(async () => {
  await fleet.end();
  await rm(folder, { recursive: true });
});

const strict = {
  target: 'es2020',
  lib: ['es2020'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noPropertyAccessFromIndexSignature: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  types: ['node'],
  typeRoots: [join(packages, '@types')],
  outDir: 'dist',
};

const worker = (extension: string) => `
import { circuitBreaker } from './heartbeat-breaker.${extension}';
import { commands } from './heartbeat-commands.${extension}';
import { drain } from './heartbeat-drain.${extension}';
import { jobLeases } from './heartbeat-leases.${extension}';
import { logs } from './heartbeat-logs.${extension}';
import { resources } from './heartbeat-resources.${extension}';
import { startHeartbeat, type HeartbeatOptions, type Part } from './heartbeat.${extension}';

const description: string | undefined = process.env['DESCRIPTION'];
const options: HeartbeatOptions = { name: 'typed', interval: 1, description, type: undefined, logger: undefined };
const heartbeat = startHeartbeat(options);
const queue: Part = { name: 'queue', fields: () => ({ poll_interval_s: 7 }) };
heartbeat.extend(queue);
resources(heartbeat);
circuitBreaker(heartbeat, { threshold: undefined });
drain(heartbeat);
commands(heartbeat, { onCommand: ({ command }) => command !== 'stop' });
const log = logs(heartbeat, { captureConsole: undefined });
const lease = jobLeases(heartbeat);
void lease('page:1', async (token, signal) => {
  log.info(token, signal.aborted);
  const counted: number = await heartbeat.job({ id: 1 }, () => 41);
  heartbeat.setStatus(\`counted \${counted}\`);
});
setInterval(() => {}, 1000);
`;

/** Compiles `worker.ts` beside these files. Fails with what the compiler says. */
async function compile(
  files: string[],
  compilerOptions: object,
  source: string,
  type: 'module' | 'commonjs',
) {
  for (const file of files) await copyFile(join(module, file), join(folder, file));
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type }));
  await writeFile(join(folder, 'worker.ts'), source);
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...strict, ...compilerOptions }, include: ['*.ts'] }),
  );
  const { stdout } = await run(process.execPath, [join(packages, 'typescript/bin/tsc'), '-p', folder]).catch(
    (error: { stdout: string }) => error,
  );
  expect(stdout).toBe('');
}

/** The beat that names the worker's parts. */
const reported = () =>
  until(() => fleet.recorder.beats().find((beat) => beat.poll_interval_s === 7 && beat.parts));

const sources = (await readdir(module)).filter((name) => /^heartbeat.*\.ts$/.test(name));

describe('the sources, copied into a strict project that compiles to dist/,', () => {
  it.each([
    ['ES modules', { module: 'nodenext' }, 'module'],
    ['ES modules, verbatim', { module: 'nodenext', verbatimModuleSyntax: true }, 'module'],
    ['CommonJS', { module: 'nodenext' }, 'commonjs'],
    ['CommonJS for a bundler', { module: 'commonjs', moduleResolution: 'bundler' }, 'commonjs'],
  ] as const)('compile without an error and report: %s', async (_, options, type) => {
    await compile(sources, options, worker('js'), type);
    fleet.start(join(folder, 'dist/worker.js'));
    const beat = await reported();
    expect(beat.parts).toEqual(['queue', 'resources', 'breaker', 'drain', 'commands', 'logs', 'leases']);
  });

  it('compile without an error for a bundler', async () => {
    const options = { module: 'esnext', moduleResolution: 'bundler', noEmit: true };
    await compile(sources, options, worker('js'), 'module');
  });
});

describe('the built files', () => {
  it.each([
    ['mjs', 'd.mts', 'module'],
    ['cjs', 'd.cts', 'commonjs'],
  ] as const)('.%s have types (.%s) that a strict project accepts', async (extension, types, type) => {
    const files = (await readdir(module)).filter(
      (name) => name.startsWith('heartbeat') && (name.endsWith(`.${extension}`) || name.endsWith(types)),
    );
    await compile(files, { module: 'nodenext', noEmit: true }, worker(extension), type);
  });

  it('.cjs are required by a worker in CommonJS', async () => {
    await writeFile(
      join(folder, 'worker.cjs'),
      `const { startHeartbeat } = require(${JSON.stringify(join(module, 'heartbeat.cjs'))});
       const { resources } = require(${JSON.stringify(join(module, 'heartbeat-resources.cjs'))});
       const heartbeat = startHeartbeat({ name: 'typed', interval: 1, pollInterval: 7 });
       resources(heartbeat);
       setInterval(() => {}, 1000);`,
    );
    fleet.start(join(folder, 'worker.cjs'));
    expect(await reported()).toMatchObject({ parts: ['resources'] });
  });
});
