import { Agent, request } from 'node:http';

/** Repeated requests on several connections at once. */
export interface Load {
  url: string;
  headers: Record<string, string>;
  connections: number;
  milliseconds: number;
  /** Ends it early. */
  signal: AbortSignal;
  /** The body of the next request of a connection. */
  body(connection: number): string;
  /** Gets each answer; may throw. */
  heard?(connection: number, answer: string): void;
}

/**
 * Puts load on an address for a while, each connection asking again as soon as it was answered. node:http and not
 * fetch, whose own cost a request is near that of what is measured.
 *
 * @returns requests answered a second
 * @throws when one is answered by anything but 200
 */
export async function putLoad({
  url,
  headers,
  connections,
  milliseconds,
  signal,
  body,
  heard,
}: Load): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const post = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const length = { 'content-length': Buffer.byteLength(text) };
      request(url, { method: 'POST', agent, headers: { ...headers, ...length } }, (response) => {
        let answer = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (answer += chunk));
        response.once('error', reject);
        response.once('end', () => {
          if (response.statusCode === 200) resolve(answer);
          else reject(new Error(`HTTP ${response.statusCode}: ${answer}`));
        });
      })
        .once('error', reject)
        .end(text);
    });
  let answered = 0;
  const began = performance.now();
  const end = began + milliseconds;
  const connection = async (which: number) => {
    while (performance.now() < end && !signal.aborted) {
      const answer = await post(body(which));
      heard?.(which, answer);
      answered++;
    }
  };
  try {
    await Promise.all(Array.from({ length: connections }, (_, which) => connection(which)));
    return answered / ((performance.now() - began) / 1000);
  } finally {
    agent.destroy();
  }
}
