/** `npm run stack`: the embedded stack alone. */
import { resolve } from 'node:path';
import { dataDirFor } from '../data-dir.ts';
import { endWhenAsked, untilAborted } from '../ending.ts';
import { PortTaken } from '../http.ts';
import { DataDirTaken } from '../lock.ts';
import { defaultPort } from '../ports.ts';
import { startStack, type Stack } from '../stack.ts';
import { readFlags, readPort, usage, WrongUsage, type StackFlags } from './flags.ts';

const flags = understood();
if (flags.help) {
  process.stdout.write(usage);
  process.exit();
}
const port = flags.port ?? readPort('STACK_PORT', process.env.STACK_PORT || String(defaultPort), 0);
const signal = endWhenAsked();
// With --json, stdout is for a program, so messages go to stderr.
const say = flags.json ? console.error : console.log;

try {
  const stack = await startStack({
    port,
    // Relative to the folder where the command was typed; npm changes to the project's folder.
    dataDir: flags.dataDir ? resolve(process.env.INIT_CWD ?? '.', flags.dataDir) : undefined,
    fresh: flags.fresh,
    databaseUrl: flags.databaseUrl,
    log: say,
    signal,
  });
  console.log(flags.json ? asJson(stack) : forPeople(stack));
  await Promise.race([untilAborted(signal), stack.ended]);
  if (!signal.aborted) {
    console.error('PostgreSQL has ended, so the stack stops. Start it again.');
    process.exitCode = 1;
  }
  await stack.stop();
} catch (error) {
  if (!signal.aborted) {
    console.error(explained(error));
    process.exitCode = 1;
  }
}
// Everything that still holds the event loop is stopping already.
process.exit();

function understood(): StackFlags {
  try {
    return readFlags(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof WrongUsage)) throw error;
    console.error(error.message);
    process.exit(2);
  }
}

function asJson({ url, publishableKey, secretKey, databaseUrl, owner }: Stack): string {
  return JSON.stringify({ url, publishableKey, secretKey, databaseUrl, owner });
}

function forPeople({ url, publishableKey, secretKey, databaseUrl, owner }: Stack): string {
  const where = flags.fresh ? 'removed at the end' : `kept in ${flags.dataDir ?? dataDirFor(port)}`;
  return [
    '',
    `  Project URL      ${url}`,
    `  Publishable key  ${publishableKey}`,
    `  Secret key       ${secretKey}`,
    `  Database         ${databaseUrl}`,
    `  Sign in as       ${owner.email}  ${owner.password}`,
    '',
    flags.databaseUrl ? '  Ctrl-C stops the stack.' : `  Data is ${where}. Ctrl-C stops the stack.`,
    '',
  ].join('\n');
}

function explained(error: unknown): string {
  if (process.env.LASTSEEN_DEBUG) return String((error as Error).stack);
  const { message } = error as Error;
  if (error instanceof PortTaken)
    return `${message} Use another port: npm run stack -- --port N, or STACK_PORT=N. 0 uses any free port.`;
  if (error instanceof DataDirTaken)
    return `${message} Stop that process, or use other data: --data-dir DIR, or --fresh.`;
  return message;
}
