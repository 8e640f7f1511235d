/** `npm run dev`: the stack, the dashboard and five sample workers, for as long as it runs. */
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

Starts the stack, five sample workers and the dashboard. Takes no options; PORT (5173) moves the dashboard,
STACK_PORT (54321) the stack with data of its own.
`;

const ports = understood();
// Beside a stack on another port than the usual one, everything else has a place of its own, too.
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

/** Starts everything, side by side where it can. */
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
      serving.catch(() => {}); // told when it is waited for
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

/** Why it cannot go on, when that happens. */
function untilBroken(): Promise<string> {
  return Promise.race([
    stack!.ended.then(() => 'The stack has lost its PostgreSQL; everything ends.'),
    dashboard!.child.ended.then((why) => `The dashboard ended (${why}); everything ends.`),
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
      '  Five workers are running. Kill one and watch the page; the command starts it again:',
      '',
      ...lines,
      '',
      `  Data is kept in ${dataDirFor(ports.stack)}. Ctrl-C ends everything.`,
      '',
    ].join('\n'),
  );
}

/** Workers first, so that their goodbyes are heard; then who shows them; then what they report to. */
async function end(): Promise<void> {
  await Promise.all(workers.map(({ child }) => child.end(6000)));
  await dashboard?.child.end(3000);
  // One that is still starting has been told to give up, and cleans up behind itself.
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
    ? `${message}\nStop that, or start beside it, with data of its own: STACK_PORT=N npm run dev`
    : message;
}
