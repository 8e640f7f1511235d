import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Binaries } from '../../supabase/local/postgres/binaries.ts';

/** The programs in a `bin` folder. */
export function programsIn(folder: string): Binaries {
  return { initdb: join(folder, 'initdb'), postgres: join(folder, 'postgres') };
}

/** Debian's PostgreSQL of this major version, where it is installed. It need not be running. */
export function debianPostgres(major: number): Binaries | undefined {
  const programs = programsIn(`/usr/lib/postgresql/${major}/bin`);
  return existsSync(programs.initdb) && existsSync(programs.postgres) ? programs : undefined;
}
