import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '..', 'migrations');

/** The objects and rights that our migrations declare. */
export interface Expected {
  /** `public.hp_fleet` → the file that declares it. */
  objects: Map<string, string>;
  /** `public.hp_fleet` → `authenticated execute`, … Without rights to single columns. */
  rights: Map<string, Set<string>>;
  /** Names of the policies on private channels. */
  policies: string[];
  /** `public.hp_setting: members read the settings`, … */
  tablePolicies: Set<string>;
}

const DECLARATION =
  /^create (?:table if not exists|or replace view|or replace function) ((?:public\.hp_|hp_private\.)\w+)/gm;
const GRANT =
  /^grant ([a-z, ]+) on (?:table|function)\s+((?:public|hp_private)\.[^;]+?)\s+to ((?:public|anon|authenticated|service_role|, )+);/gm;

const POLICY = /^create policy "([^"]+)" on realtime\.messages/gm;
const TABLE_POLICY = /^create policy "([^"]+)" on ((?:public|hp_private)\.\w+)/gm;

/** Reads the migrations, because nobody would keep a second list up to date. */
export function expected(): Expected {
  const objects = new Map<string, string>();
  const rights = new Map<string, Set<string>>();
  const policies: string[] = [];
  const tablePolicies = new Set<string>();
  const files = readdirSync(folder).filter((file) => file.endsWith('.sql'));
  for (const file of files.sort()) {
    const text = readFileSync(join(folder, file), 'utf8');
    policies.push(...[...text.matchAll(POLICY)].map(([, name]) => name!));
    for (const [, name, table] of text.matchAll(TABLE_POLICY)) tablePolicies.add(`${table}: ${name}`);
    for (const [, name] of text.matchAll(DECLARATION)) objects.set(name!, file);
    for (const [, privileges, names, roles] of text.matchAll(GRANT)) {
      // The types of a function's arguments may be tables of ours; names of objects stand outside of parentheses.
      for (const [name] of names!.replace(/\([^)]*\)/g, '').matchAll(/(?:public|hp_private)\.\w+/g)) {
        const granted = rights.get(name) ?? new Set<string>();
        for (const role of roles!.split(', ')) {
          for (const privilege of privileges!.split(', ')) granted.add(`${role} ${privilege}`);
        }
        rights.set(name, granted);
      }
    }
  }
  return { objects, rights, policies, tablePolicies };
}
