/**
 * The service that x-autopost posts to: a small local HTTP server with the usual problems of such an API. It limits the rate
 * (429 with Retry-After), fails sometimes (503), and rejects some posts (422). While the file `sink-down` exists in the
 * samples' folder, it answers every request with 503.
 */
import { existsSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { speed } from './pause.ts';
import { folder } from './samples.ts';

/** x-autopost sends one post in 4 s, and reaches this limit now and then. */
const MOST_POSTS = 3;
const WINDOW_SECONDS = 15;
const HICCUP_EVERY = 13; // requests
const REFUSE_EVERY = 17; // posts within the limit
const MOST_BYTES = 4_096;

/** Starts the service on a free loopback port. It ends with the process, and does not keep the process alive. */
export async function startPostSink(): Promise<URL> {
  const accepted: number[] = []; // times of the posts in the current window, in seconds
  let requests = 0;
  let judged = 0;

  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
      if (body.length > MOST_BYTES) request.destroy();
    });
    request.on('end', () => {
      requests++;
      if (existsSync(join(folder, 'sink-down'))) return answer(response, 503, 'down for maintenance');
      if (requests % HICCUP_EVERY === 0) return answer(response, 503, 'over capacity');

      const now = (performance.now() / 1000) * speed;
      while (accepted[0] !== undefined && accepted[0] <= now - WINDOW_SECONDS) accepted.shift();
      if (accepted[0] !== undefined && accepted.length >= MOST_POSTS) {
        const wait = Math.ceil(accepted[0] + WINDOW_SECONDS - now);
        return answer(response, 429, 'too many posts', { 'retry-after': String(wait) });
      }

      if (textOf(body).length > 280) return answer(response, 422, 'longer than 280 characters');
      if (++judged % REFUSE_EVERY === 0)
        return answer(response, 422, 'this looks like it was posted by a machine');
      accepted.push(now);
      answer(response, 201, 'posted');
    });
  });

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/posts`);
}

function textOf(body: string): string {
  try {
    return String(JSON.parse(body).text);
  } catch {
    return '';
  }
}

function answer(response: ServerResponse, status: number, message: string, headers = {}): void {
  response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(JSON.stringify({ message }));
}
