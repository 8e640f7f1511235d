import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { inject } from 'vitest';
import { freshDataDir } from '../../../supabase/local/data-dir.ts';
import { startCluster } from '../../../supabase/local/postgres/cluster.ts';
import { programsIn } from '../../support/installed-postgres.ts';
import { wireTo } from '../../support/wire.ts';
import { runStack, scratchFolder } from '../stack-runs.ts';

/**
 * A stack on a PostgreSQL of its own, which can be restarted under it. The stack is a process of its own, for the driver
 * that it uses (postgres.js 3.4.9) throws from a timer when its server goes away under load, and nothing can catch that;
 * hosted Supabase has other ones. So it is replaced once PostgreSQL is back, as by whoever supervises it.
 */
export async function restartable() {
  await using starting = new AsyncDisposableStack();
  const { cluster: folder, throwAway } = freshDataDir();
  starting.defer(() => rmSync(throwAway!, { recursive: true, force: true }));
  const password = inject('cluster').keys.databasePassword;
  const bin = process.env.TEST_POSTGRES;
  const launch = () => startCluster({ folder, password, programs: bin ? programsIn(bin) : undefined });
  let cluster = await launch();
  starting.defer(() => cluster.stop());
  // PostgreSQL comes back on another port; whoever uses it goes by the wire.
  const wire = await wireTo(cluster.url);
  starting.defer(() => wire.close());
  const scratch = scratchFolder();
  starting.defer(() => scratch.remove());
  const run = (port = 0) => runStack(['--database-url', wire.url, '--data-dir', scratch.path], { port });
  let process_ = run();
  starting.defer(() => process_.end().then(() => {}));
  const stack = await process_.line();
  const ending = starting.move();

  const replaceStack = async () => {
    await process_.end('SIGKILL');
    process_ = run(Number(new URL(stack.url).port));
    await process_.line();
  };
  return {
    stack,
    /** Ends PostgreSQL as an operator does, its clients cut off, and starts it again after so many ms. */
    async restart(downFor: number) {
      await cluster.stop();
      await sleep(downFor);
      cluster = await launch();
      wire.lead(cluster.url);
      await replaceStack();
    },
    /** Kills one of its processes: it throws out all others and recovers from its log. */
    async crash(backend: number) {
      process.kill(backend, 'SIGKILL');
      await sleep(500);
      await replaceStack();
    },
    [Symbol.asyncDispose]: () => ending.disposeAsync(),
  };
}
