import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LEVELS as LOG_LEVELS } from '../../src/lib/worker-page/log/lines.ts';
import { STATUSES } from '../../src/lib/rules/worker.ts';
import { COMMANDS, DATABASE_ACTIONS, STATES } from '../../src/lib/worker-page/commands/commands.ts';
import { EVENT_TYPES } from '../../src/lib/worker-page/timeline/events.ts';
import { beat, Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

/** What a CHECK of a list of texts admits. */
async function admitted(constraint: string): Promise<string[]> {
  const [found] =
    await db.sql`select pg_get_constraintdef(oid) as text from pg_constraint where conname = ${constraint}`;
  return [...(found!.text as string).matchAll(/'([a-z_ ]+)'::text/g)].map(([, value]) => value!);
}

describe('lists that stand in the database and on the page', () => {
  it('hold the same statuses, in the order of the codes of messages', async () => {
    const [row] = await db.sql`select hp_private.statuses() as statuses`;
    expect(row!.statuses).toEqual(STATUSES);
    await db.sql.begin(async (sql) => {
      await sql`set local application_name = 'lastseen own write'`;
      await sql`insert into hp_worker_status (worker_name) values ('any')`;
      for (const status of STATUSES)
        await sql`update hp_worker_status set status = ${status} where worker_name = 'any'`;
      await expect(
        sql.savepoint(
          (inner) => inner`update hp_worker_status set status = 'fine' where worker_name = 'any'`,
        ),
      ).rejects.toThrow(/violates check constraint/);
    });
  });

  it('hold the same commands, actions and states of them', async () => {
    const [row] = await db.sql`select hp_private.commands() as commands`;
    expect(row!.commands).toEqual(COMMANDS);
    expect(await admitted('hp_worker_command_command_check')).toEqual([...DATABASE_ACTIONS, 'refused']);
    expect(await admitted('hp_worker_command_state_check')).toEqual(STATES);
  });

  it('hold the same types of events and levels of log lines', async () => {
    expect(await admitted('hp_worker_event_type_check')).toEqual(EVENT_TYPES);
    const [row] = await db.sql`select hp_private.log_levels() as levels`;
    expect(row!.levels).toEqual(LOG_LEVELS);
  });
});

describe('limits of texts', () => {
  const readme = readFileSync(join(import.meta.dirname, '../../supabase/README.md'), 'utf8');
  const limits = [...readme.matchAll(/^\| (`[^|]+`) +\| ([\d,]+) characters +\|$/gm)].flatMap(
    ([, fields, most]) =>
      [...fields!.matchAll(/`(\w+)`/g)].map(([, field]) => [field!, Number(most!.replace(',', ''))] as const),
  );

  it('are in the README', () => expect(limits.length).toBeGreaterThan(10));

  it.each(limits)('%s: %i characters, in a beat as in a plain write', async (field, most) => {
    const worker = new Process(db.sql, `limit/${field}`);
    const [fits] = await beat(db.sql, [worker.next({ [field]: 'é'.repeat(most) })]);
    expect(fits).toMatchObject({ ok: true });
    const tooLong = 'é'.repeat(most + 1);
    const [refused] = await beat(db.sql, [worker.next({ [field]: tooLong })]);
    expect(refused!.error).toEqual({
      field,
      message: `${field} is ${most + 1} characters long; at most ${most}`,
    });
    await expect(
      db.as(
        'service_role',
        {},
        (sql) => sql`
        update hp_worker_status set ${sql({ [field]: tooLong, status: 'idle' })} where worker_name = ${`limit/${field}`}`,
      ),
    ).rejects.toMatchObject({
      code: '23514',
      message: `value for domain hp_private.${field} violates check constraint "${field}: at most ${most} characters"`,
    });
  });
});
