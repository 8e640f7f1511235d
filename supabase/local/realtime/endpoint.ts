import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import postgres from 'postgres';
import { WebSocketServer } from 'ws';
import { json } from '../http.ts';
import type { Keys } from '../keys.ts';
import { createAuthorization } from './authorization.ts';
import type { Services } from './channel.ts';
import { startDelivery } from './delivery.ts';
import type { Version } from './frames.ts';
import { headersForPolicies } from './headers.ts';
import { handleBroadcast } from './http-broadcast.ts';
import { Hub } from './hub.ts';
import { Socket } from './socket.ts';
import { createTokens } from './tokens.ts';

/** The part of Supabase Realtime that the unmodified client needs for broadcasts. */
export interface RealtimeEndpoint {
  /** Answers a request under `/realtime/v1`. */
  fetch(request: Request): Promise<Response>;
  /** Drops every socket and rejects new ones, like a failing network. */
  cut(): void;
  restore(): void;
  close(): Promise<void>;
}

export interface RealtimeOptions {
  /** The server with the `upgrade` requests. */
  server: Server;
  databaseUrl: string;
  keys: Keys;
  log: (line: string) => void;
}

const PATH = '/realtime/v1/websocket';
/** Bytes, as on hosted. */
const FRAME_LIMIT = 5_000_000;

/** Starts Realtime. After that, messages of the database are delivered. */
export async function startRealtime({
  server,
  databaseUrl,
  keys,
  log,
}: RealtimeOptions): Promise<RealtimeEndpoint> {
  const sql = postgres(databaseUrl, {
    max: 2,
    onnotice: () => {},
    connection: { application_name: 'lastseen-realtime' },
  });
  const services: Services = {
    hub: new Hub(),
    tokens: createTokens(keys),
    authorization: createAuthorization(sql, log),
  };
  const stopDelivery = await startDelivery(databaseUrl, services.hub, log).catch(async (error: unknown) => {
    await sql.end({ timeout: 2 });
    throw error;
  });
  const sockets = new WebSocketServer({ noServer: true, maxPayload: FRAME_LIMIT, perMessageDeflate: false });
  let isCut = false;

  const upgrade = (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    stream.on('error', () => {}); // the client may close the connection before the answer
    if (isCut) return stream.destroy();
    const url = URL.parse(request.url ?? '/', 'http://127.0.0.1');
    if (url?.pathname !== PATH) return refuse(stream, 404, 'Not Found', `The socket is at ${PATH}`);
    const { searchParams } = url;
    const keyClaims = services.tokens.ofKey(
      searchParams.get('apikey') ?? (request.headers['x-api-key'] as string | undefined) ?? null,
    );
    if (!keyClaims) return refuse(stream, 401, 'Unauthorized', 'Invalid API key');
    const version = (searchParams.get('vsn') ?? '1.0.0') as Version;
    if (version !== '1.0.0' && version !== '2.0.0')
      return refuse(stream, 403, 'Forbidden', 'vsn is 1.0.0 or 2.0.0');
    const headers = headersForPolicies(Object.entries(request.headers));
    sockets.handleUpgrade(request, stream, head, (ws) => {
      new Socket(ws, { version, keyClaims, headers, services, log });
    });
  };
  server.on('upgrade', upgrade);

  const dropAll = () => {
    for (const ws of sockets.clients) ws.terminate();
  };
  return {
    fetch: async (request) =>
      isCut ? json(503, { error: 'Realtime is cut off' }) : handleBroadcast(request, services),
    cut() {
      isCut = true;
      dropAll();
    },
    restore() {
      isCut = false;
    },
    async close() {
      server.off('upgrade', upgrade);
      isCut = true;
      dropAll();
      sockets.close();
      await Promise.all([stopDelivery(), sql.end({ timeout: 2 })]);
    },
  };
}

function refuse(stream: Duplex, status: number, words: string, error: string): void {
  const body = JSON.stringify({ error });
  stream.end(
    `HTTP/1.1 ${status} ${words}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `connection: close\r\n\r\n${body}`,
  );
}
