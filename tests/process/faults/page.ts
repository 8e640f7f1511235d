import { createClient } from '@supabase/supabase-js';
import type { Sql } from 'postgres';
import { expect } from 'vitest';
import type { StackAddress } from '../../../supabase/local/stack.ts';
import { applyMessage, fromSnapshot, type FleetState } from '../../../src/lib/rules/fleet-state.ts';
import { readSnapshot } from '../../../src/lib/rules/message.ts';
import type { Worker } from '../../../src/lib/rules/worker.ts';
import { joinFleet } from '../../../src/lib/live/channel.ts';
import { follow, type Connection } from '../../../src/lib/live/follow.ts';
import { SignedOut, type FleetSource } from '../../../src/lib/live/source.ts';
import { until } from '../../support/until.ts';

/** What an open page holds: its own rules and its own client of Realtime, with no browser around them. */
export interface OpenPage {
  readonly state: FleetState | undefined;
  readonly connection: Connection;
  /** Every connection that it has said it has, in order. */
  readonly connections: readonly Connection[];
  /** Whom it has ever called crashed. */
  readonly accused: readonly string[];
  worker(name: string): Worker | undefined;
  /** Resolves when it is live and holds of every worker what the table says. The fleet must be at rest. */
  agrees(sql: Sql): Promise<void>;
  close(): void;
}

/** Opens the fleet page of the stack's owner. @param address another way to the same stack, such as a wire */
export async function openPage(stack: StackAddress, address = stack.url): Promise<OpenPage> {
  const auth = { persistSession: false, autoRefreshToken: false };
  const client = createClient(address, stack.publishableKey, { auth });
  const { data, error } = await client.auth.signInWithPassword(stack.owner);
  if (error) throw error;
  const token = data.session.access_token;

  const call = async (name: string) => {
    const answer = await client.rpc(name).abortSignal(AbortSignal.timeout(15_000));
    if (answer.status === 401 || answer.status === 403) throw new SignedOut(answer.error?.message);
    if (answer.error) throw new Error(answer.error.message);
    return answer.data;
  };
  const source: FleetSource = {
    snapshot: async () => readSnapshot(await call('hp_fleet')),
    async watch() {
      const { now, tick_at: tickAt } = await call('hp_watch');
      return { now: new Date(now), tickAt: tickAt ? new Date(tickAt) : null };
    },
    listen: (listener) => {
      const endpoint = `${address.replace(/\/$/, '')}/realtime/v1`;
      const channel = { endpoint, apikey: stack.publishableKey, token: async () => token, worker: false };
      return joinFleet(channel, listener);
    },
  };

  let state: FleetState | undefined;
  const connections: Connection[] = [];
  const accused = new Set<string>();
  const look = () => {
    if (!state) return;
    for (const { name, status } of state.workers.values()) if (status === 'crashed') accused.add(name);
  };
  const { stop } = follow(source, {
    apply(message) {
      if (!state) return 'no snapshot yet';
      const applied = applyMessage(state, message);
      state = applied.state;
      look();
      return applied.lost;
    },
    replace(snapshot) {
      state = fromSnapshot(snapshot, state);
      look();
    },
    connection: (connection) => connections.push(connection),
    watched: () => {},
  });

  const page: OpenPage = {
    get state() {
      return state;
    },
    get connection() {
      return connections.at(-1) ?? 'connecting';
    },
    connections,
    get accused() {
      return [...accused];
    },
    worker: (name) => [...(state?.workers.values() ?? [])].find((worker) => worker.name === name),
    async agrees(sql) {
      const there = async () => {
        const [row] = await sql`select public.hp_fleet() as fleet`;
        return fromSnapshot(readSnapshot(row!.fleet));
      };
      await until(
        async () => {
          expect(page.connection).toBe('live');
          expect(shown(state!)).toEqual(shown(await there()));
          return true;
        },
        { timeout: 40_000, every: 250, what: 'the page to agree with the table' },
      );
    },
    close: stop,
  };
  await until(() => page.connection === 'live', { timeout: 20_000, what: 'a live page' });
  return page;
}

/** What a row of the page shows, but for what only ages or wobbles: times to the second, no CPU and no memory. */
function shown({ workers }: FleetState) {
  const second = (date: Date | null) => date && Math.round(date.getTime() / 1000);
  return Object.fromEntries(
    [...workers.values()].map((worker) => [
      worker.name,
      {
        status: worker.status,
        statusReason: worker.statusReason,
        statusSince: second(worker.statusSince),
        lastHeartbeat: worker.lastHeartbeat && Math.round(worker.lastHeartbeat.getTime() / 100),
        instanceId: worker.instanceId,
        revision: worker.revision,
        jobsProcessed: worker.jobsProcessed,
        errorCount: worker.errorCount,
        jobsActive: worker.jobsActive,
        activity: worker.activity,
        jobId: worker.jobId,
        lastExit: worker.lastExit,
        nameConflict: worker.nameConflictSince !== null,
      },
    ]),
  );
}
