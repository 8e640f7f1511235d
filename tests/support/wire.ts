import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A TCP connection that can be cut: what is behind `url` by another address. */
export interface Wire {
  url: string;
  /** Ends what goes through it, and refuses what comes. */
  cut(): void;
  /** Accepts everything and forwards nothing, so that the sender does not notice. */
  stall(): void;
  /** Passes on again; also what came while it was stalled, late as it is. */
  restore(): void;
  /** Leads elsewhere from now on, to what has moved to another port. */
  lead(url: string): void;
  /** How many came while it was cut. */
  readonly refused: number;
  close(): void;
}

/** @param url of any kind, with a host and a port. */
export async function wireTo(url: string): Promise<Wire> {
  let { hostname, port } = new URL(url);
  const ends = new Map<Socket, Socket>();
  let isCut = false;
  let isStalled = false;
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
      ends.set(one, other);
      if (isStalled) one.pause();
      else one.pipe(other);
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
    for (const end of ends.keys()) end.destroy();
  };
  return {
    url: address.href,
    cut,
    stall() {
      isStalled = true;
      for (const [one, other] of ends) one.unpipe(other).pause();
    },
    restore() {
      if (isStalled) for (const [one, other] of ends) one.pipe(other);
      isCut = isStalled = false;
    },
    lead: (elsewhere) => void ({ hostname, port } = new URL(elsewhere)),
    get refused() {
      return refused;
    },
    close() {
      cut();
      server.close();
    },
  };
}
