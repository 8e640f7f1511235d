import type { Sql } from 'postgres';

/**
 * Replaces pg_cron: calls `hp_tick()` as the superuser. Each call starts one period after the last one ended, so two never
 * overlap. An error is logged once per message, and the calls continue.
 *
 * @param every milliseconds.
 * @returns stops the calls, and waits for a running tick.
 */
export function schedule(sql: Sql, every: number, log: (line: string) => void): () => Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let stopped = false;
  let ticks = 0;
  const complained = new Set<string>();
  const complain = (error: unknown) => {
    const { message } = error as Error;
    if (stopped || complained.has(message)) return;
    complained.add(message);
    log(`hp_tick() failed: ${message}`);
  };
  const tick = async () => {
    await sql`select public.hp_tick()`.catch(complain);
    // Hosted Realtime drops old partitions of messages. Here old rows are deleted every few minutes.
    if (ticks++ % 100 === 0) {
      await sql`delete from realtime.messages where inserted_at < (now() at time zone 'utc') - interval '3 days'`.catch(
        complain,
      );
    }
    if (!stopped) arm();
  };
  const arm = () => {
    timer = setTimeout(() => void (running = tick()), every);
  };
  running = tick();
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await running;
  };
}
