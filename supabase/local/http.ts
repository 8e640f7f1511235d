import { getRequestListener } from '@hono/node-server';
import { createServer, type Server } from 'node:http';
import { portHolder } from './port-holder.ts';

/** Another process uses the requested port. */
export class PortTaken extends Error {
  override name = 'PortTaken';
  readonly port: number;
  constructor(port: number) {
    const holder = portHolder(port);
    const by = holder ? ` by process ${holder.pid}${holder.command ? ` (${holder.command})` : ''}` : '';
    super(`Port ${port} is taken${by}.`);
    this.port = port;
  }
}

export type Handler = (request: Request, peerAddress: string | null) => Promise<Response> | Response;

/**
 * An HTTP server on 127.0.0.1. It listens before the rest of the stack starts, so that a taken port is reported at once.
 * Until it has a handler, it answers 503.
 *
 * @param port 0 for any free port.
 * @throws PortTaken
 */
export async function listen(
  port: number,
): Promise<{ server: Server; url: string; handle(handler: Handler): void }> {
  let handler: Handler = () => json(503, { message: 'The stack is starting.' }, { 'retry-after': '1' });
  const server = createServer(
    getRequestListener(
      async (request, env) => {
        if (request.method === 'OPTIONS')
          return new Response(null, { status: 204, headers: preflight(request) });
        const peer = 'incoming' in env ? (env.incoming.socket.remoteAddress ?? null) : null;
        const response = await handler(request, peer);
        if (response.headers.has('access-control-allow-origin')) return response;
        // A copy, because the headers of a fetched response may be immutable.
        const headers = new Headers(response.headers);
        headers.set('access-control-allow-origin', '*');
        return new Response(response.body, {
          status: response.status,
          statusText: response.statusText,
          headers,
        });
      },
      { overrideGlobalObjects: false },
    ),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? new PortTaken(port) : error);
    });
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address() as { port: number };
  return { server, url: `http://127.0.0.1:${address.port}`, handle: (next) => void (handler = next) };
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers });
}

/** Any page may send requests; the key decides its rights. */
function preflight(request: Request): Record<string, string> {
  return {
    'access-control-allow-origin': '*',
    'access-control-allow-methods': 'GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD',
    'access-control-allow-headers': request.headers.get('access-control-request-headers') ?? '*',
    'access-control-max-age': '86400',
  };
}
