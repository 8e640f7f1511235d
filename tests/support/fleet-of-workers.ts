import { fileURLToPath } from 'node:url';
import type { Stack } from '../../supabase/local/stack.ts';
import { startProcess, type TestProcess } from './processes.ts';

const script = fileURLToPath(new URL('../browser/fixtures/worker.mjs', import.meta.url));

/** Real worker processes, with a beat a second, that report to a stack. */
export function createWorkers(stack: Pick<Stack, 'url' | 'secretKey'>) {
  const processes = new Map<string, TestProcess>();
  return {
    start(name: string): TestProcess {
      const started = startProcess(script, {
        channel: true,
        env: { SUPABASE_URL: stack.url, SUPABASE_SECRET_KEY: stack.secretKey, WORKER_NAME: name },
      });
      processes.set(name, started);
      return started;
    },
    /** Has it say what it is doing. */
    tell: (name: string, text: string) => processes.get(name)!.child.send!(text),
    end: (name: string, signal: NodeJS.Signals) => processes.get(name)!.end(signal),
    endAll: () => Promise.all([...processes.values()].map((one) => one.end())),
  };
}
