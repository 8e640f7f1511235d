import type { Sql } from 'postgres';

/**
 * Stands in for pg_cron: calls `hp_tick()` as the superuser, the next one a period after the last one ended, so that
 * two never overlap. An error is logged once per message; the next tick comes all the same.
 *
 * @param every milliseconds.
 * @returns stops it and waits for the tick under way.
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
    log(`hp_tick: ${message}`);
  };
  const tick = async () => {
    await sql`select public.hp_tick()`.catch(complain);
    // Hosted Realtime drops partitions of messages; our single one is emptied instead, every few minutes.
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
