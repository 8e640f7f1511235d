import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from './random.ts';

/** What the network did with requests, by kind. */
export type Fates = Record<'lost' | 'unanswered' | 'doubled' | 'delayed' | 'through', number>;

interface Beat {
  instance_id: string;
  sequence: number;
  status: string;
  jobs_total?: number;
  errors_total?: number;
}

/** What of an instance's beats the database has taken in. */
export interface Delivered {
  jobs: number;
  errors: number;
  /** Last words among them. */
  ended: boolean;
  /** Beats that came after one with a higher number. */
  overtaken: number;
  sequence: number;
}

/**
 * A network between workers and Supabase that loses requests before and answers after the database, delays them, doubles
 * them and so lets them overtake each other; never more than two of one instance lost in a row. It keeps account of what
 * got through.
 */
export async function startUnrulyNetwork(target: string, random: Random) {
  const delivered = new Map<string, Delivered>();
  const fates: Fates = { lost: 0, unanswered: 0, doubled: 0, delayed: 0, through: 0 };
  const missed = new Map<string, number>();
  const under = new Set<Promise<unknown>>();
  let calm = false;

  const fateOf = (instance: string): keyof Fates => {
    if (calm) return 'through';
    const drawn = random.next();
    if (drawn < 0.4 && (missed.get(instance) ?? 0) < 2) return drawn < 0.22 ? 'lost' : 'unanswered';
    return drawn < 0.6 ? 'doubled' : drawn < 0.8 ? 'delayed' : 'through';
  };

  async function forward(path: string, headers: Record<string, string>, body: string) {
    const response = await fetch(target + path, { method: 'POST', headers, body });
    const text = await response.text();
    if (response.ok) {
      for (const beat of (JSON.parse(body) as { beats: Beat[] }).beats) take(beat);
    }
    return { status: response.status, text };
  }

  function take({ instance_id, sequence, status, jobs_total = 0, errors_total = 0 }: Beat) {
    const known = delivered.get(instance_id) ?? {
      jobs: 0,
      errors: 0,
      ended: false,
      overtaken: 0,
      sequence: 0,
    };
    delivered.set(instance_id, {
      jobs: Math.max(known.jobs, jobs_total),
      errors: Math.max(known.errors, errors_total),
      ended: known.ended || status === 'stopped' || status === 'crashed',
      overtaken: known.overtaken + Number(sequence < known.sequence),
      sequence: Math.max(known.sequence, sequence),
    });
  }

  /** Goes on whether or not anybody waits for it. */
  const track = <T>(work: Promise<T>) => {
    const tracked = work.catch(() => undefined).finally(() => under.delete(tracked));
    under.add(tracked);
    return work;
  };

  const server = createServer((incoming, response) => {
    let body = '';
    incoming.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    incoming.on('end', async () => {
      const instance = (JSON.parse(body) as { beats: Beat[] }).beats[0]!.instance_id;
      const { apikey = '' } = incoming.headers as Record<string, string>;
      const send = () =>
        track(forward(incoming.url ?? '', { apikey, 'content-type': 'application/json' }, body));
      const fate = fateOf(instance);
      fates[fate]++;
      missed.set(instance, fate === 'lost' || fate === 'unanswered' ? (missed.get(instance) ?? 0) + 1 : 0);
      try {
        if (fate === 'lost') return void response.destroy();
        if (fate === 'delayed') await track(sleep(random.between(100, 3_500)));
        const answer = await send();
        if (fate === 'doubled') void track(sleep(random.between(100, 3_500)).then(send));
        if (fate === 'unanswered') return void response.destroy();
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.text);
      } catch {
        response.destroy();
      }
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fates,
    delivered,
    /** From now on everything goes through. */
    calm: () => void (calm = true),
    /** Resolves when nothing is on its way any more. */
    async settled() {
      while (under.size) await Promise.all(under);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      while (under.size) await Promise.all(under);
    },
  };
}

export type UnrulyNetwork = Awaited<ReturnType<typeof startUnrulyNetwork>>;
