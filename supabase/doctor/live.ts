import { RealtimeClient } from '@supabase/realtime-js';
import { fine, SET_UP, skipped, trouble, warning, type Finding } from './finding.ts';
import type { Keys } from './keys.ts';
import { rpc, signIn } from './project.ts';

/** Hosted Realtime thinks for five seconds before it refuses. */
const JOIN_PATIENCE_MS = 12_000;
const TOPIC = 'hp:fleet';

export interface Person {
  email: string;
  password: string;
}

/** Joins the fleet's channel as a page does: strangers must be refused, the secret key and members let in, and messages come. */
export async function inspectRealtime(
  url: string,
  { secret, publishable }: Keys,
  { person, patienceMs }: { person?: Person; patienceMs: number },
): Promise<Finding[]> {
  const findings: Finding[] = [];
  if (publishable) findings.push(await askAsStranger(url, publishable.value));
  if (secret) findings.push(await askForNews(url, secret.value, patienceMs));
  if (person && publishable) findings.push(...(await askAsPerson(url, publishable.value, person)));
  if (!person) {
    findings.push(
      skipped(
        'a member',
        'set LASTSEEN_EMAIL and LASTSEEN_PASSWORD to try what a page does after signing in',
      ),
    );
  }
  return findings;
}

async function askAsStranger(url: string, key: string): Promise<Finding> {
  const { state, why, leave } = await join(url, key);
  await leave();
  if (state === 'SUBSCRIBED') {
    return trouble(
      'a stranger',
      'may listen to the fleet with the publishable key alone',
      "Look for policies on realtime.messages that are not ours: select * from pg_policies where tablename = 'messages';",
    );
  }
  if (state === 'TIMED_OUT') return away(why);
  return fine('a stranger', 'is refused by the fleet’s channel');
}

async function askForNews(url: string, key: string, patienceMs: number): Promise<Finding> {
  const { state, why, heard, leave } = await join(url, key);
  try {
    if (state === 'TIMED_OUT') return away(why);
    if (state !== 'SUBSCRIBED') {
      return trouble(
        'Realtime',
        `refuses the fleet’s private channel to the secret key: ${why}`,
        SET_UP,
        SETTINGS,
      );
    }
    const watching = await rpc(url, key, 'hp_watch');
    if (watching.status !== 200) return trouble('Realtime', `hp_watch() said: ${watching.message}`, SET_UP);
    const began = Date.now();
    const came = await Promise.race([
      heard.then(() => true),
      new Promise<false>((resolve) => setTimeout(resolve, patienceMs, false)),
    ]);
    if (came)
      return fine(
        'Realtime',
        `a message came ${((Date.now() - began) / 1000).toFixed(1)} s after watching began`,
      );
    return trouble(
      'Realtime',
      `lets one in, and no message came within ${Math.round(patienceMs / 1000)} s: pages open and stay as they were`,
      'Does the tick run (above)? It sends them. Else: is the project over its quota of messages (Reports, Realtime)?',
    );
  } finally {
    await leave();
  }
}

const SETTINGS = 'Project Settings, Realtime: is the service on, and are its limits above 0?';

async function askAsPerson(url: string, key: string, { email, password }: Person): Promise<Finding[]> {
  const session = await signIn(url, key, email, password);
  const token = (session.body as { access_token?: string } | null)?.access_token;
  if (session.status !== 200 || !token) {
    return [
      trouble(
        'a member',
        `${email} cannot sign in: ${session.message}`,
        'Authentication, Users: is the address there and confirmed? Sign-in by email has to be on (Authentication, Sign In).',
      ),
    ];
  }
  const fleet = await rpc(url, key, 'hp_fleet', {}, { authorization: `Bearer ${token}` });
  if (fleet.status === 403) {
    return [
      trouble(
        'a member',
        `${email} is none`,
        `select hp_add_member('${email.replaceAll("'", "''")}', 'viewer');`,
      ),
    ];
  }
  if (fleet.status !== 200)
    return [trouble('a member', `${email} may not read the fleet: ${fleet.message}`, SET_UP)];
  const { state, why, leave } = await join(url, key, token);
  await leave();
  return [
    state === 'SUBSCRIBED'
      ? fine('a member', `${email} may read the fleet and listen to it`)
      : trouble(
          'a member',
          `${email} may read the fleet, and Realtime refuses the channel: ${why}`,
          SET_UP,
          SETTINGS,
        ),
  ];
}

function away(why: string): Finding {
  return warning(
    'Realtime',
    `does not answer: ${why}`,
    SETTINGS,
    'A proxy on the way may not let WebSockets through.',
  );
}

interface Joined {
  state: 'SUBSCRIBED' | 'TIMED_OUT' | 'CHANNEL_ERROR' | 'CLOSED';
  why: string;
  /** Settles with the first message. */
  heard: Promise<void>;
  leave(): Promise<void>;
}

async function join(url: string, key: string, token?: string): Promise<Joined> {
  const client = new RealtimeClient(`${url}/realtime/v1`, {
    params: { apikey: key },
    ...(token ? { accessToken: () => Promise.resolve(token) } : {}),
  });
  if (token) await client.setAuth();
  const channel = client.channel(TOPIC, {
    config: { private: true, broadcast: { replication_ready: true } },
  });
  const message = Promise.withResolvers<void>();
  channel.on('broadcast', { event: '*' }, () => message.resolve());
  const answered = await new Promise<Pick<Joined, 'state' | 'why'>>((resolve) => {
    const patience = setTimeout(() => resolve({ state: 'TIMED_OUT', why: 'no answer' }), JOIN_PATIENCE_MS);
    channel.subscribe((state, error) => {
      // No socket is no refusal: it is tried again until our patience ends.
      if (state === 'CHANNEL_ERROR' && !client.isConnected()) return;
      clearTimeout(patience);
      resolve({ state, why: error?.message ?? state });
    });
  });
  return {
    ...answered,
    heard: message.promise,
    async leave() {
      await client.removeAllChannels();
      client.disconnect();
    },
  };
}
