/**
 * The dashboard's development server, in its own process, so that compiling pages does not delay answers to workers. The port
 * and environment arrive in a message, because Vite loads while the stack is still reading its keys.
 */
import { createServer, type ViteDevServer } from 'vite';

export interface Start {
  port: number;
  env: Record<string, string>;
}

/** Its one message: the server's address, or why it cannot start. */
export type Outcome = { serving: string } | { failed: string };

let server: ViteDevServer | undefined;

process.channel?.ref(); // keeps the process alive until the message arrives
process.once('message', ({ port, env }: Start) => {
  Object.assign(process.env, env);
  serve(port).then(
    (serving) => report({ serving }),
    (error: unknown) => {
      report({ failed: String((error as Error).message) });
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

function report(outcome: Outcome): void {
  process.send?.(outcome);
}
