import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure, Measure, Run } from './figure.ts';
import { startChild } from './parts/child.ts';
import { startBenchStack, type BenchStack } from './parts/stack.ts';
import { openViewer, type Viewer } from './parts/viewer.ts';
import type { Fleet } from './workers/fleet.ts';

/** Measured time for each requested round; the whole is one range from message to message. */
const ROUND_S = 24;
/** Until everybody has been told the fleet's pace, and told it back. */
const SETTLING_S = 45;

/** Hosted Realtime drops the day's partition of messages after three days, so that up to four are kept. */
const KEPT_MINUTES = 4 * 24 * 60;

interface Scene {
  what: string;
  workers: number;
  busy?: boolean;
  /** The store of activity messages is empty, as it is after ten minutes of watching a busy fleet. */
  spent?: boolean;
  aims?: { messages: number };
}

/** Free plans have two million messages a month, sent and delivered: five pages that are always open may get 7.7 a minute each. */
const FREE = { messages: 7.7 };

const scenes: Scene[] = [
  { what: '50 workers', workers: 50, aims: FREE },
  { what: '50 busy workers, store spent', workers: 50, busy: true, spent: true, aims: FREE },
  { what: '50 busy workers, in the first ten minutes', workers: 50, busy: true },
  { what: '1,000 workers', workers: 1_000 },
  { what: '10,000 workers', workers: 10_000 },
];

/** What an open page receives, counted at its socket, with the settings of a new hosted project and workers at 30 s. */
export const traffic: Figure = {
  name: 'traffic',
  about: 'messages and bytes that an open page receives',
  limit: ({ rounds }) => scenes.length * (rounds * ROUND_S + SETTLING_S + 90),
  async measure(run) {
    const measures: Measure[] = [];
    for (const scene of scenes) {
      await using scope = new AsyncDisposableStack();
      run.scope.defer(() => scope.disposeAsync());
      measures.push(...(await measureScene(scene, { ...run, scope })));
    }
    return measures;
  },
};

async function measureScene(scene: Scene, { scope, rounds, signal, say }: Run): Promise<Measure[]> {
  const { what, workers, busy = false, spent = false, aims } = scene;
  say(`traffic: ${what}, ${SETTLING_S + rounds * ROUND_S} s`);
  const stack = await startBenchStack(scope, { hosted: true });
  await stack.sql`delete from public.hp_worker_status`; // the declared ones, which nobody runs here
  const viewer = await openViewer(scope, stack);
  const fleets: Fleet[] = [{ workers, name: 'bench', interval: 30, busy }];
  const fleet = startChild(scope, 'workers/fleet.ts', {
    DATABASE_URL: stack.databaseUrl,
    FLEETS: JSON.stringify(fleets),
  });
  await fleet.hear();
  await sleep(SETTLING_S * 1000, undefined, { signal });
  if (spent) await stack.sql`update hp_private.message_budget set stored = 0 where kind = 'activity'`;

  const look = async () => {
    await viewer.next();
    const received = viewer.received();
    const messages = Object.values(received.messages).reduce((sum, count) => sum + count, 0);
    const [table] =
      await stack.sql`select pg_total_relation_size('realtime.messages_default')::float as bytes`;
    return {
      at: performance.now(),
      messages,
      bytes: received.bytes,
      stored: table!.bytes as number,
      beats: await fleet.ask<number>('beats'),
    };
  };
  const before = await look();
  await sleep(rounds * ROUND_S * 1000, undefined, { signal });
  const after = await look();
  const minutes = (after.at - before.at) / 60_000;
  const perMinute = (of: 'messages' | 'bytes' | 'stored' | 'beats') => (after[of] - before[of]) / minutes;
  const bareBytes = await bareMessageBytes(stack, viewer);

  const measures: Measure[] = [
    {
      what: `messages per page and minute, ${what}`,
      value: perMinute('messages'),
      unit: '/min',
      beside: { what: 'one a heartbeat', value: perMinute('beats') },
      ...(aims && { aim: { atMost: aims.messages } }),
    },
    {
      what: `received per page and minute, ${what}`,
      value: perMinute('bytes') / 1024,
      unit: 'KB',
      beside: { what: 'one a heartbeat', value: (perMinute('beats') * bareBytes) / 1024 },
    },
  ];
  if (spent) {
    measures.push({
      what: `broadcasts kept in realtime.messages, ${what}`,
      value: (perMinute('stored') * KEPT_MINUTES) / 1024 ** 2,
      unit: 'MB',
      aim: { atMost: 100 },
    });
  }
  return measures;
}

/** What the usual design sends with every heartbeat: the row of the hand-made table. On the wire, frame and envelope included. */
async function bareMessageBytes({ sql }: BenchStack, viewer: Viewer): Promise<number> {
  const before = viewer.received().bytes;
  const heard = viewer.next('bare');
  await sql`
    select realtime.send(jsonb_build_object('worker_name', w.worker_name, 'status', w.status,
      'last_heartbeat', w.last_heartbeat, 'jobs_processed', w.jobs_processed, 'error_count', w.error_count,
      'circuit_breaker_open', w.circuit_breaker_open, 'current_status', w.current_status), 'bare', 'hp:fleet', true)
    from public.hp_worker_status w limit 1`;
  await heard;
  return viewer.received().bytes - before;
}
