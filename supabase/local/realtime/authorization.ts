import { randomUUID } from 'node:crypto';
import postgres, { type Sql, type TransactionSql } from 'postgres';
import { sessionContext } from '../session-context.ts';
import type { Claims } from './tokens.ts';

/** A request to join a private channel, or to send to it. */
export interface Asker {
  /** Without the prefix `realtime:`. */
  topic: string;
  claims: Claims;
  /** The request's headers that begin with `x-`, for policies. */
  headers: Record<string, string>;
}

/** The result of the policies on `realtime.messages`. A policy that fails denies. */
export interface Authorization {
  mayRead(asker: Asker): Promise<boolean>;
  mayWrite(asker: Asker): Promise<boolean>;
}

/**
 * As on hosted: in a transaction that is rolled back, the superuser inserts a message for the topic, and the requesting role
 * selects it (read), or inserts one itself (write).
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
        // Sent together, in one round trip.
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
