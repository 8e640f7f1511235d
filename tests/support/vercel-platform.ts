/**
 * Serves a `.vercel/output` as Vercel does, as far as ours uses it (Build Output API, version 3), in a process of its own:
 * `node vercel-platform.ts FOLDER`. Files first, then the function that its routes name, called as a web handler. Tells
 * its address to the process that started it, and ends with that.
 */
import { readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { pathToFileURL } from 'node:url';

interface Route {
  src?: string;
  dest?: string;
  handle?: string;
  status?: number;
  continue?: boolean;
  headers?: Record<string, string>;
}
interface WebHandler {
  default: { fetch(request: Request): Promise<Response> };
}

process.once('disconnect', () => process.exit());
const output = process.argv[2]!;
const { version, routes } = JSON.parse(readFileSync(join(output, 'config.json'), 'utf8')) as {
  version: number;
  routes: Route[];
};
if (version !== 3) throw new Error(`.vercel/output is of version ${version}`);
const TYPES: Record<string, string> = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
};
const functions = new Map<string, Promise<WebHandler>>();

/** A function starts with its first request: what comes from a cold start is tested with it. */
function load(name: string): Promise<WebHandler> {
  const folder = join(output, 'functions', `${name === '/' ? 'index' : name}.func`);
  const { handler, launcherType, runtime } = JSON.parse(
    readFileSync(join(folder, '.vc-config.json'), 'utf8'),
  ) as Record<string, string>;
  if (launcherType !== 'Nodejs' || !/^nodejs(2[0-9])\.x$/.test(runtime ?? ''))
    throw new Error(`${runtime}: ${launcherType}`);
  const entry = pathToFileURL(join(folder, handler!)).href;
  const loaded = functions.get(entry) ?? (import(entry) as Promise<WebHandler>);
  functions.set(entry, loaded);
  return loaded;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url!, 'http://here.invalid');
  const headers: Record<string, string> = {};
  for (const route of routes) {
    if (route.handle === 'filesystem') {
      if (sendFile(pathname, headers, response)) return;
      continue;
    }
    if (!route.src || !new RegExp(`^(?:${route.src})$`).test(pathname)) continue;
    Object.assign(headers, route.headers);
    if (route.status) return void response.writeHead(route.status, headers).end();
    if (route.dest) return call(await load(route.dest), request, response);
  }
  response.writeHead(404).end();
}

function sendFile(pathname: string, headers: Record<string, string>, response: ServerResponse): boolean {
  const file = join(output, 'static', normalize(decodeURIComponent(pathname)));
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return false;
  const type = TYPES[extname(file)] ?? 'application/octet-stream';
  response.writeHead(200, { 'content-type': type, ...headers }).end(readFileSync(file));
  return true;
}

async function call({ default: { fetch } }: WebHandler, request: IncomingMessage, response: ServerResponse) {
  // Vercel's edge ends TLS, and says who asked; what a client says of that itself does not get through there. Here it
  // does, so that a test can come from anywhere.
  const protocol = (request.headers['x-forwarded-proto'] as string | undefined) ?? 'http';
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) headers.set(name, String(value));
  if (!headers.has('x-forwarded-for')) headers.set('x-forwarded-for', request.socket.remoteAddress!);
  const hasBody = request.method !== 'GET' && request.method !== 'HEAD';
  const answered = await fetch(
    new Request(`${protocol}://${request.headers.host}${request.url}`, {
      method: request.method,
      headers,
      body: hasBody ? (Readable.toWeb(request) as ReadableStream<Uint8Array>) : undefined,
      duplex: 'half',
    } as RequestInit),
  );
  const outgoing: Record<string, string | string[]> = Object.fromEntries(answered.headers);
  const cookies = answered.headers.getSetCookie();
  if (cookies.length > 0) outgoing['set-cookie'] = cookies;
  response.writeHead(answered.status, outgoing);
  if (answered.body) Readable.fromWeb(answered.body as ReadableStream<Uint8Array>).pipe(response);
  else response.end();
}

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    console.error(error);
    response.writeHead(500).end('FUNCTION_INVOCATION_FAILED');
  });
});
server.listen(0, '127.0.0.1', () => {
  const bound = server.address();
  if (bound && typeof bound === 'object') process.send?.(`http://127.0.0.1:${bound.port}`);
});
