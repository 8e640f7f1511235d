import { randomUUID } from 'node:crypto';
import postgres, { type Sql, type TransactionSql } from 'postgres';
import { sessionContext } from '../session-context.ts';
import type { Claims } from './tokens.ts';

/** Who wants into which private channel. */
export interface Asker {
  /** Without the `realtime:` before it. */
  topic: string;
  claims: Claims;
  /** The request's headers that begin with `x-`; policies see them. */
  headers: Record<string, string>;
}

/** What the policies on `realtime.messages` say. A policy that fails says no. */
export interface Authorization {
  mayRead(asker: Asker): Promise<boolean>;
  mayWrite(asker: Asker): Promise<boolean>;
}

/**
 * As hosted does it: in a transaction that is rolled back, a message is put on the topic as superuser and looked for as
 * the one who asks (reading), or put there as the one who asks (writing).
 */
export function createAuthorization(sql: Sql, log: (line: string) => void): Authorization {
  const settled = async (asker: Asker, probe: (transaction: TransactionSql) => Promise<boolean>) => {
    let allowed = false;
    const undo = new Error('rolled back');
    try {
      await sql.begin(async (transaction) => {
        allowed = await probe(transaction);
        throw undo;
      });
    } catch (error) {
      if (error === undo) return allowed;
      if (!(error instanceof postgres.PostgresError)) throw error;
      if (error.code !== '42501') log(`Realtime: a policy for ${asker.topic} failed: ${error.message}`);
    }
    return false;
  };

  return {
    mayRead: (asker) =>
      settled(asker, async (transaction) => {
        const id = randomUUID();
        // Sent together: one round trip.
        const [, , found] = await Promise.all([
          insertProbe(transaction, id, asker.topic),
          become(transaction, asker),
          transaction`select from realtime.messages where id = ${id} and topic = ${asker.topic}`,
        ]);
        return found.length > 0;
      }),
    mayWrite: (asker) =>
      settled(asker, async (transaction) => {
        await Promise.all([become(transaction, asker), insertProbe(transaction, randomUUID(), asker.topic)]);
        return true;
      }),
  };
}

function insertProbe(sql: TransactionSql, id: string, topic: string): PromiseLike<unknown> {
  return sql`
    insert into realtime.messages (id, topic, extension, private) values (${id}, ${topic}, 'broadcast', true)`;
}

function become(sql: TransactionSql, { topic, claims, headers }: Asker): PromiseLike<unknown> {
  const settings = {
    ...sessionContext({ role: claims.role, uid: claims.sub, jwt: claims }),
    'realtime.topic': topic,
    'request.headers': JSON.stringify(headers),
  };
  const pairs = JSON.stringify(Object.entries(settings));
  return sql`
    select set_config(pair ->> 0, pair ->> 1, true) from json_array_elements(${pairs}::text::json) as pair`;
}
