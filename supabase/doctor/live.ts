import { RealtimeClient } from '@supabase/realtime-js';
import { fine, SET_UP, skipped, trouble, warning, type Finding } from './finding.ts';
import type { Keys } from './keys.ts';
import { rpc, signIn } from './project.ts';

/** Hosted Realtime takes five seconds to reject a join. */
const JOIN_PATIENCE_MS = 12_000;
const TOPIC = 'hp:fleet';

export interface Person {
  email: string;
  password: string;
}

/** Joins the fleet's channel as a page does. Strangers must be rejected, members and the secret key must receive messages. */
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
        'not checked: set LASTSEEN_EMAIL and LASTSEEN_PASSWORD to sign in and read the fleet as a page does',
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
      'can receive the fleet’s messages with the publishable key alone',
      "Remove policies on realtime.messages that open it to everybody. List them: select * from pg_policies where tablename = 'messages';",
    );
  }
  if (state === 'TIMED_OUT') return away(why);
  return fine('a stranger', 'can’t join the fleet’s channel');
}

async function askForNews(url: string, key: string, patienceMs: number): Promise<Finding> {
  const { state, why, heard, leave } = await join(url, key);
  try {
    if (state === 'TIMED_OUT') return away(why);
    if (state !== 'SUBSCRIBED') {
      return trouble(
        'Realtime',
        `the secret key can’t join the fleet’s private channel: ${why}`,
        SET_UP,
        SETTINGS,
      );
    }
    const watching = await rpc(url, key, 'hp_watch');
    if (watching.status !== 200) return trouble('Realtime', `hp_watch() failed: ${watching.message}`, SET_UP);
    const began = Date.now();
    const came = await Promise.race([
      heard.then(() => true),
      new Promise<false>((resolve) => setTimeout(resolve, patienceMs, false)),
    ]);
    if (came)
      return fine(
        'Realtime',
        `the first message arrived after ${((Date.now() - began) / 1000).toFixed(1)} s`,
      );
    return trouble(
      'Realtime',
      `no message arrived within ${Math.round(patienceMs / 1000)} s, so pages load but don’t update`,
      'The tick sends the messages: see “the tick” above.',
      'If the tick runs, check the quota of Realtime messages (Reports → Realtime).',
    );
  } finally {
    await leave();
  }
}

const SETTINGS = 'Check Project Settings → Realtime: the service must be on, with limits above 0.';

async function askAsPerson(url: string, key: string, { email, password }: Person): Promise<Finding[]> {
  const session = await signIn(url, key, email, password);
  const token = (session.body as { access_token?: string } | null)?.access_token;
  if (session.status !== 200 || !token) {
    return [
      trouble(
        'a member',
        `${email} cannot sign in: ${session.message}`,
        'Check Authentication → Users: the address must be there and confirmed.',
        'Sign-in by email must be on (Authentication → Sign In).',
      ),
    ];
  }
  const fleet = await rpc(url, key, 'hp_fleet', {}, { authorization: `Bearer ${token}` });
  if (fleet.status === 403) {
    return [
      trouble(
        'a member',
        `${email} is not a member`,
        `select hp_add_member('${email.replaceAll("'", "''")}', 'viewer');`,
      ),
    ];
  }
  if (fleet.status !== 200)
    return [trouble('a member', `${email} can’t read the fleet: ${fleet.message}`, SET_UP)];
  const { state, why, leave } = await join(url, key, token);
  await leave();
  return [
    state === 'SUBSCRIBED'
      ? fine('a member', `${email} can read the fleet and receive its messages`)
      : trouble(
          'a member',
          `${email} can read the fleet, but can’t join the Realtime channel: ${why}`,
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
    'A proxy may block WebSockets: try another network.',
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
      // No socket is not a rejection: the client tries again until the time limit.
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
