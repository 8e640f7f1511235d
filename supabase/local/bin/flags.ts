import { parseArgs } from 'node:util';

export const usage = `Usage: npm run stack -- [options]

Starts a Supabase for this machine: PostgreSQL, the Data API, Auth and Realtime.

  --json               prints one line of JSON first: url, publishableKey, secretKey, databaseUrl, owner
  --port N             port of the API; 0 for any free port (default: STACK_PORT, or 54321)
  --data-dir DIR       folder for data and keys (default: .lastseen/stack)
  --fresh              new data and keys, removed at the end
  --database-url URL   your own PostgreSQL 15 to 18, as a superuser, instead of the embedded one
  --help               prints this text
`;

export interface StackFlags {
  json: boolean;
  /** 0 for any free port. */
  port?: number;
  dataDir?: string;
  fresh: boolean;
  databaseUrl?: string;
  help: boolean;
}

/** The command line is wrong; the message says what is allowed. */
export class WrongUsage extends Error {
  override name = 'WrongUsage';
}

/** @throws WrongUsage */
export function readFlags(args: string[]): StackFlags {
  const values = parse(args);
  if (values.fresh && values['data-dir'] !== undefined) {
    throw new WrongUsage('--fresh removes its data and --data-dir keeps it: use one of them.');
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
 * @param name the option or variable, for the error.
 * @param lowest 0 if any free port is allowed, else 1.
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
    // Node's first sentence names the flag; the rest is about positional arguments, which are not used here.
    const [sentence] = (error as Error).message.split(/\. |\n/);
    throw new WrongUsage(`${sentence}.\n\n${usage.trimEnd()}`, { cause: error });
  }
}

function filled(name: string, value: string | undefined): string | undefined {
  if (value === '') throw new WrongUsage(`${name} is empty. Give a value, or leave it out.`);
  return value;
}

function readDatabaseUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (!/^postgres(ql)?:$/.test(URL.parse(text)?.protocol ?? '')) {
    // The URL is not repeated: it may contain a password.
    throw new WrongUsage('--database-url is not of the form postgres://user:password@host:port/database.');
  }
  return text;
}
