import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const supabase = join(import.meta.dirname, '../../supabase');
const cli = join(
  dirname(createRequire(import.meta.url).resolve('supabase/package.json')),
  'dist/supabase.js',
);

/** A finding of `supabase db advisors`. */
export interface Advice {
  name: string;
  level: 'INFO' | 'WARN' | 'ERROR';
  detail: string;
}

export interface SupabaseCli {
  /** Applies the migrations that are missing, and the seed. Gives what the CLI wrote. */
  push(databaseUrl: string): Promise<string>;
  /** The TypeScript that describes what the Data API exposes, not formatted. */
  types(databaseUrl: string): Promise<string>;
  /** What the security and performance advisors have to say, INFO included. */
  advice(databaseUrl: string): Promise<Advice[]>;
  remove(): void;
}

/**
 * The Supabase CLI on a copy of this project's supabase/, since it leaves notes beside what it reads. It talks to
 * nobody but the database: no telemetry, no look for a newer version, and no account or project of the person's own.
 */
export function supabaseCli(): SupabaseCli {
  const folder = mkdtempSync(join(tmpdir(), 'lastseen-cli-'));
  const home = join(folder, 'home');
  mkdirSync(home);
  for (const name of ['config.toml', 'seed.sql', 'migrations']) {
    cpSync(join(supabase, name), join(folder, 'supabase', name), { recursive: true });
  }
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    SUPABASE_TELEMETRY_DISABLED: '1',
    DO_NOT_TRACK: '1',
    SUPABASE_NO_UPDATE_NOTIFIER: '1',
    SUPABASE_NO_KEYRING: '1',
  };
  const run = async (databaseUrl: string, ...args: string[]) => {
    const running = promisify(execFile)(
      process.execPath,
      [cli, '--workdir', folder, ...args, `--remote=${databaseUrl}?sslmode=disable`],
      { env, cwd: folder, timeout: 60_000, maxBuffer: 16 << 20 },
    );
    running.child.stdin?.end(); // it would wait for more where it can ask
    return running; // rejects with what it wrote when it fails
  };
  return {
    async push(databaseUrl) {
      const { stdout, stderr } = await run(databaseUrl, 'db', 'push', '--include-seed', '--yes');
      return stdout + stderr;
    },
    async types(databaseUrl) {
      return (await run(databaseUrl, 'gen', 'types', '--schema', 'public')).stdout;
    },
    async advice(databaseUrl) {
      const { stdout } = await run(
        databaseUrl,
        'db',
        'advisors',
        '--level',
        'info',
        '--output-format',
        'json',
      );
      return (JSON.parse(stdout) as { results: Advice[] }).results;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
