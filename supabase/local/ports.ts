import { createServer, type AddressInfo } from 'node:net';

/** The stack's default port, the same as for the Supabase CLI's local stack. */
export const defaultPort = 54321;

/** A TCP port of 127.0.0.1 that was free a moment ago. Another process may take it before it is bound. */
export async function freePort(): Promise<number> {
  return bindOnce(0);
}

/** Whether a TCP port of 127.0.0.1 was free a moment ago. */
export async function isFree(port: number): Promise<boolean> {
  try {
    await bindOnce(port);
    return true;
  } catch {
    return false;
  }
}

async function bindOnce(wanted: number): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(wanted, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
