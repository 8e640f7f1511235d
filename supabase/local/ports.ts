import { createServer, type AddressInfo } from 'node:net';

/** Where the stack listens: the port that the Supabase CLI's local stack has, too. */
export const defaultPort = 54321;

/** A TCP port of 127.0.0.1 that was free a moment ago. Whoever binds it must be ready to find it taken. */
export async function freePort(): Promise<number> {
  return bindOnce(0);
}

/** Whether we could bind a TCP port of 127.0.0.1 a moment ago. */
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
