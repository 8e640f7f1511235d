/** `npm run bench`: the figures, each against its floor or peer in the same run. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { beats } from './beats.ts';
import { churn } from './churn.ts';
import { command } from './command.ts';
import { detection } from './detection.ts';
import { dev } from './dev.ts';
import { isMet, type Figure, type Measure, type Run } from './figure.ts';
import { latency } from './latency.ts';
import { history } from './history.ts';
import { fleet } from './fleet.ts';
import { heartbeatModule } from './module.ts';
import { overlap } from './overlap.ts';
import { line, machine } from './parts/report.ts';
import { sizes } from './sizes.ts';
import { tick } from './tick.ts';
import { traffic } from './traffic.ts';
import { weight } from './weight.ts';
import { writes } from './writes.ts';

const figures: Figure[] = [
  weight,
  fleet,
  heartbeatModule,
  dev,
  beats,
  writes,
  churn,
  overlap,
  tick,
  history,
  sizes,
  traffic,
  detection,
  latency,
  command,
];
const usage = `Usage: npm run bench -- [--json] [--changes N] [--rounds N] [figure …]

${figures.map(({ name, about }) => `  ${name.padEnd(10)} ${about}`).join('\n')}

--json      the result as JSON on stdout; progress goes to stderr in any case
--changes   changes of each kind that the latency is measured over (200)
--rounds    rounds of which medians are taken (5)
`;

const { flags, chosen } = understood();
const results: Record<string, Measure[]> = {};
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => stop.abort(new Error(`ended by ${signal}`)));

try {
  for (const figure of chosen) {
    results[figure.name] = await measured(figure);
    if (!flags.json) for (const measure of results[figure.name]!) console.log(line(measure));
  }
  if (flags.json) console.log(JSON.stringify({ machine: machine(), figures: withVerdicts() }, null, 2));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
process.exit();

/** Measures one, within its time, and ends all that it has started. */
async function measured(figure: Figure): Promise<Measure[]> {
  const scope = new AsyncDisposableStack();
  const given = new AbortController();
  const run: Run = { scope, signal: given.signal, ...flags, say: (text) => console.error(`… ${text}`) };
  const limit = figure.limit(run);
  const ended = new Promise<never>((_, reject) => {
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason as Error));
  });
  const late = sleep(limit * 1000, undefined, { signal: given.signal }).then(
    () => Promise.reject(new Error(`${figure.name} took longer than ${limit} s`)),
    () => new Promise<never>(() => {}),
  );
  try {
    stop.signal.throwIfAborted();
    return await Promise.race([figure.measure(run), late, ended]);
  } finally {
    given.abort();
    await scope.disposeAsync();
  }
}

function withVerdicts() {
  return Object.fromEntries(
    Object.entries(results).map(([name, measures]) => [
      name,
      measures.map((measure) => ({ ...measure, met: isMet(measure) })),
    ]),
  );
}

function understood() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        changes: { type: 'string', default: '200' },
        rounds: { type: 'string', default: '5' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit();
    }
    const count = (name: 'changes' | 'rounds') => {
      const number = Number(values[name]);
      if (!Number.isInteger(number) || number < 1)
        throw new Error(`--${name} must be a whole number from 1 up.`);
      return number;
    };
    const unknown = positionals.find((name) => !figures.some((figure) => figure.name === name));
    if (unknown) throw new Error(`There is no figure '${unknown}'.`);
    return {
      flags: { json: values.json, changes: count('changes'), rounds: count('rounds') },
      chosen: figures.filter(({ name }) => positionals.length === 0 || positionals.includes(name)),
    };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage.trimEnd()}`);
    process.exit(2);
  }
}
