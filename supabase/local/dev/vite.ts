/**
 * The dashboard's development server, in a process of its own: compiling pages and answering the workers do not then
 * wait for one another. Told its port and environment by a message, since Vite loads while the stack still finds its keys.
 */
import { createServer, type ViteDevServer } from 'vite';

export interface Start {
  port: number;
  env: Record<string, string>;
}

/** What it says: once that it serves, or why it can't. */
export type Said = { serving: string } | { failed: string };

let server: ViteDevServer | undefined;

process.channel?.ref(); // nothing but the message to come keeps us here yet
process.once('message', ({ port, env }: Start) => {
  Object.assign(process.env, env);
  serve(port).then(
    (serving) => tell({ serving }),
    (error: unknown) => {
      tell({ failed: String((error as Error).message) });
      process.exitCode = 1;
      process.disconnect();
    },
  );
});
process.once('SIGTERM', () => void end());

async function serve(port: number): Promise<string> {
  server = await createServer({
    server: { host: '127.0.0.1', port, strictPort: true },
    clearScreen: false,
    logLevel: 'warn',
  });
  await server.listen();
  return `http://127.0.0.1:${port}`;
}

async function end(): Promise<void> {
  await server?.close();
  process.exit();
}

function tell(said: Said): void {
  process.send?.(said);
}
