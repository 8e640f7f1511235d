/** `npm run dev`: runs the stack, the dashboard and five sample workers. */
import { join } from 'node:path';
import { dataDirFor, lastseenFolder } from '../data-dir.ts';
import { loadDashboard, warmUp, type Dashboard } from '../dev/dashboard.ts';
import { portsInTheWay } from '../dev/ports.ts';
import { giveRestartHint } from '../dev/restart-hint.ts';
import { restartCommand, startWorkers, type SampleWorker } from '../dev/workers.ts';
import { endWhenAsked, untilAborted } from '../ending.ts';
import { DataDirTaken } from '../lock.ts';
import { defaultPort } from '../ports.ts';
import { startStack, type Stack } from '../stack.ts';
import { readPort, WrongUsage } from './flags.ts';

const usage = `Usage: npm run dev

Starts the stack, five sample workers and the dashboard. Takes no options. PORT (5173) sets the dashboard's port,
STACK_PORT (54321) the stack's; each STACK_PORT has its own data.
`;

const ports = understood();
// A stack on another port has its own files for everything else, too.
const suffix = ports.stack === defaultPort ? '' : `-${ports.stack}`;
const dashboardUrl = `http://127.0.0.1:${ports.dashboard}`;
let dashboard: Dashboard | undefined;
let starting: Promise<Stack> | undefined;
let stack: Stack | undefined;
let workers: SampleWorker[] = [];

const signal = endWhenAsked(() => {
  for (const { process } of children()) process.kill('SIGKILL');
});

try {
  const inTheWay = await portsInTheWay(ports);
  if (inTheWay) throw new Error(inTheWay);
  await Promise.race([start(), untilAborted(signal)]);
  if (!signal.aborted) {
    const failure = await Promise.race([untilAborted(signal), untilBroken()]);
    if (failure) throw new Error(failure);
  }
} catch (error) {
  if (!signal.aborted) {
    console.error(explained(error));
    process.exitCode = 1;
  }
}
await end();
process.exit();

/** Starts everything, in parallel where possible. */
async function start(): Promise<void> {
  const page = (dashboard = loadDashboard((line) => console.error(`[dashboard] ${line}`)));
  let serving: Promise<string> | undefined;
  starting = startStack({
    port: ports.stack,
    siteUrl: dashboardUrl,
    log: (line) => console.log(line),
    signal,
    onAddress(address) {
      serving = page.serve(ports.dashboard, address);
      serving.catch(() => {}); // handled where `serving` is awaited
    },
  });
  stack = await starting;
  if (signal.aborted) return;
  const kept = join(lastseenFolder, `worker${suffix}.mjs`);
  const folder = join(lastseenFolder, `samples${suffix}`);
  const say = (name: string, line: string) => console.log(`[${name}] ${line}`);
  workers = startWorkers({ stack, dashboardUrl, folder, kept, say }, signal);
  for (const { name, ended, command } of workers) {
    void ended.then((why) => {
      if (!signal.aborted) console.log(`[${name}] ended (${why}). To start it again:\n  ${command}`);
    });
  }
  await giveRestartHint(stack, restartCommand('{worker_name}', kept));
  await warmUp(await serving!);
  if (!signal.aborted) announce();
}

/** Resolves with the reason when a part has ended by itself. */
function untilBroken(): Promise<string> {
  return Promise.race([
    stack!.ended.then(() => 'PostgreSQL has ended, so npm run dev stops. Start it again.'),
    dashboard!.child.ended.then(
      (why) => `The dashboard has ended (${why}), so npm run dev stops. Start it again.`,
    ),
  ]);
}

function announce(): void {
  const width = Math.max(...workers.map(({ name }) => name.length));
  const lines = workers.map(
    ({ name, child, command }) =>
      `  ${name.padEnd(width)}  PID ${String(child.process.pid).padEnd(7)}  ${command}`,
  );
  console.log(
    [
      '',
      `  Dashboard  ${dashboardUrl}`,
      '',
      '  Five workers are running. Kill one and watch the page. The command beside its PID starts it again:',
      '',
      ...lines,
      '',
      `  Data is kept in ${dataDirFor(ports.stack)}. Ctrl-C stops everything.`,
      '',
    ].join('\n'),
  );
}

/** Workers first, so that they can report their stop; then the dashboard; then the stack. */
async function end(): Promise<void> {
  await Promise.all(workers.map(({ child }) => child.end(6000)));
  await dashboard?.child.end(3000);
  // If the stack is still starting, the signal has stopped the start, and the stack cleans up.
  await starting?.then(
    (started) => started.stop(),
    () => {},
  );
}

function children() {
  return [...workers.map(({ child }) => child), ...(dashboard ? [dashboard.child] : [])];
}

function understood(): { dashboard: number; stack: number } {
  const [flag] = process.argv.slice(2);
  if (flag === '--help' || flag === '-h') {
    process.stdout.write(usage);
    process.exit();
  }
  try {
    if (flag) throw new WrongUsage(`Unknown option '${flag}'.\n\n${usage.trimEnd()}`);
    return {
      dashboard: readPort('PORT', process.env.PORT || '5173'),
      stack: readPort('STACK_PORT', process.env.STACK_PORT || String(defaultPort)),
    };
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
}

function explained(error: unknown): string {
  if (process.env.LASTSEEN_DEBUG) return String((error as Error).stack);
  const { message } = error as Error;
  return error instanceof DataDirTaken
    ? `${message}\nStop that process, or use another port with its own data: STACK_PORT=N npm run dev`
    : message;
}
