import { parseArgs } from 'node:util';

export const usage = `Usage: npm run stack -- [options]

Starts a Supabase for this machine: PostgreSQL, the Data API, Auth and Realtime.

  --json               the first line of output is JSON: url, publishableKey, secretKey, databaseUrl, owner
  --port N             port of the API, 0 for any free one (54321, or STACK_PORT)
  --data-dir DIR       keeps data and keys there between runs (.lastseen/stack)
  --fresh              throw-away data and keys
  --database-url URL   someone else's PostgreSQL 15 to 18, as a superuser, instead of the embedded one
  --help               this
`;

export interface StackFlags {
  json: boolean;
  /** As given; 0 for any free one. */
  port?: number;
  dataDir?: string;
  fresh: boolean;
  databaseUrl?: string;
  help: boolean;
}

/** The command line cannot be understood; the message says what is allowed. */
export class WrongUsage extends Error {
  override name = 'WrongUsage';
}

/** @throws WrongUsage */
export function readFlags(args: string[]): StackFlags {
  const values = parse(args);
  if (values.fresh && values['data-dir'] !== undefined) {
    throw new WrongUsage('--fresh throws its data away and --data-dir keeps it: give one of them.');
  }
  return {
    json: values.json ?? false,
    port: values.port === undefined ? undefined : readPort('--port', values.port, 0),
    dataDir: filled('--data-dir', values['data-dir']),
    fresh: values.fresh ?? false,
    databaseUrl: readDatabaseUrl(values['database-url']),
    help: values.help ?? false,
  };
}

/**
 * @param name what it was given by, for the error.
 * @param lowest 0 where any free port will do, else 1.
 * @throws WrongUsage
 */
export function readPort(name: string, text: string, lowest: 0 | 1 = 1): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < lowest || port > 65_535) {
    throw new WrongUsage(`${name} is "${text}"; a port is a whole number from ${lowest} to 65535.`);
  }
  return port;
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        json: { type: 'boolean' },
        port: { type: 'string' },
        'data-dir': { type: 'string' },
        fresh: { type: 'boolean' },
        'database-url': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    // Node's first sentence names the flag; what follows is advice on positional arguments, of which there are none.
    const [told] = (error as Error).message.split(/\. |\n/);
    throw new WrongUsage(`${told}.\n\n${usage.trimEnd()}`, { cause: error });
  }
}

function filled(name: string, value: string | undefined): string | undefined {
  if (value === '') throw new WrongUsage(`${name} is empty.`);
  return value;
}

function readDatabaseUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (!/^postgres(ql)?:$/.test(URL.parse(text)?.protocol ?? '')) {
    // Not repeated: it may carry a password.
    throw new WrongUsage('--database-url is not of the form postgres://user:password@host:port/database.');
  }
  return text;
}
