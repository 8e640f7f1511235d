import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A TCP connection that can be cut: what is behind `url` by another address. */
export interface Wire {
  url: string;
  /** Ends what goes through it, and refuses what comes. */
  cut(): void;
  restore(): void;
  /** How many came while it was cut. */
  readonly refused: number;
  close(): void;
}

/** @param url of any kind, with a host and a port. */
export async function wireTo(url: string): Promise<Wire> {
  const { hostname, port } = new URL(url);
  const ends = new Set<Socket>();
  let isCut = false;
  let refused = 0;
  const server = createServer((here) => {
    if (isCut) {
      refused += 1;
      return here.destroy();
    }
    const there = connect(Number(port), hostname);
    for (const [one, other] of [
      [here, there],
      [there, here],
    ] as const) {
      ends.add(one);
      one.pipe(other);
      one.on('error', () => {});
      one.on('close', () => {
        ends.delete(one);
        other.destroy();
      });
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = new URL(url);
  address.host = `127.0.0.1:${(server.address() as { port: number }).port}`;
  const cut = () => {
    isCut = true;
    for (const end of ends) end.destroy();
  };
  return {
    url: address.href,
    cut,
    restore: () => void (isCut = false),
    get refused() {
      return refused;
    },
    close() {
      cut();
      server.close();
    },
  };
}
