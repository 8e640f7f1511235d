import postgres from 'postgres';
import { PAYLOAD_LIMIT, payloadSize, type Broadcast } from './broadcast.ts';
import type { Hub } from './hub.ts';

interface Row {
  id: string;
  topic: string;
  event: string;
  private: boolean;
  json: string | null;
  bytes: Buffer | null;
}

/**
 * Delivers the database's broadcasts to the channels. `delivery.sql` notifies the id of each committed message. Messages are
 * read and delivered in the order of commits.
 *
 * @returns once it listens; call the function to stop.
 */
export async function startDelivery(
  databaseUrl: string,
  hub: Hub,
  log: (line: string) => void,
): Promise<() => Promise<void>> {
  // Its own connection, so that no message waits for other work.
  const sql = postgres(databaseUrl, {
    max: 1,
    onnotice: () => {},
    connection: { application_name: 'lastseen-realtime-delivery' },
  });
  let waiting: string[] = [];
  let running = false;
  let stopped = false;

  // Messages that arrive during a read are read together by the next one, so a burst makes no queue.
  const drain = async () => {
    if (running) return;
    running = true;
    while (waiting.length > 0 && !stopped) {
      const ids = waiting;
      waiting = [];
      try {
        for (const row of await read(sql, ids)) pass(row, hub, log);
      } catch (error) {
        if (!stopped)
          log(`Realtime: ${ids.length} messages could not be read and are lost: ${(error as Error).message}`);
      }
    }
    running = false;
  };

  await read(sql, []); // connects and prepares the statement, so that the first message is not slower
  await sql.listen('lastseen_realtime', (id) => {
    if (hub.isEmpty) return;
    waiting.push(id);
    void drain();
  });
  return async () => {
    stopped = true;
    await sql.end({ timeout: 2 });
  };
}

async function read(sql: postgres.Sql, ids: string[]): Promise<Row[]> {
  const rows = await sql<Row[]>`
    select id, topic, event, private, payload::text as json, binary_payload as bytes
    from realtime.messages where id = any (${`{${ids.join(',')}}`}::text::uuid[])`;
  if (rows.length < 2) return rows;
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

function pass(row: Row, hub: Hub, log: (line: string) => void): void {
  const broadcast: Broadcast = {
    event: row.event,
    payload: row.bytes ?? row.json ?? '{}',
    meta: { id: row.id },
  };
  const size = payloadSize(broadcast);
  if (size > PAYLOAD_LIMIT)
    log(
      `Realtime: a message on ${row.topic} was dropped, as on hosted: ${size} bytes, the limit is ${PAYLOAD_LIMIT}`,
    );
  else hub.publish(`realtime:${row.topic}`, row.private, broadcast);
}
