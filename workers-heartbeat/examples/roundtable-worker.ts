/**
 * Lets several speakers discuss the other workers' results in turns, and writes the minutes.
 *
 * Way of working: a long job with checkpoints. A session is one job, saved after every turn. A deploy, a kill -9 or a
 * power cut costs at most the current turn. `setStatus` shows the progress.
 */
import { startHeartbeat } from '../heartbeat.mjs';
import { equip } from './parts/equip.ts';
import { inOneLine } from './parts/one-line.ts';
import { pause } from './parts/pause.ts';
import { readResult, writeResult, writeWhole, type Results } from './parts/samples.ts';
import { speakers } from './parts/speakers.ts';

const ROUNDS = 2;
const TURNS = ROUNDS * speakers.length;
const MINUTES_KEPT = 5; // sessions

type Session = Results['session'];

// Continues a session that an earlier process did not finish.
let session: Session = await readResult('session', { number: 1, turns: [] });

const heartbeat = startHeartbeat({
  name: 'roundtable-worker',
  description: 'Conversation orchestration',
  metadata: () => ({ session: session.number, turn: session.turns.length, turns: TURNS }),
});
equip(heartbeat);
const { signal } = heartbeat;

/** The next speaker's turn. Saves it. */
async function takeTurn(): Promise<void> {
  const { turns } = session;
  const speaker = speakers[turns.length % speakers.length]!;
  heartbeat.setStatus(`${speaker.name} speaks (turn ${turns.length + 1} of ${TURNS})`);
  await pause(3, signal); // as long as a turn takes

  const table = {
    analysis: await readResult('analysis', []),
    crawl: await readResult('crawl', { pages: 0, broken: [], at: 0 }),
    posts: await readResult('posts', []),
  };
  const heard = turns.at(-1);
  const text = heard && turns.length >= speakers.length ? speaker.reply(table, heard) : speaker.report(table);
  session = { ...session, turns: [...turns, { speaker: speaker.name, text }] };
  await writeResult('session', session);
}

async function holdSession(): Promise<void> {
  while (session.turns.length < TURNS) {
    signal.throwIfAborted(); // stopping: the session is saved, and the next process continues
    await takeTurn();
  }
  await writeWhole(`minutes/session-${session.number % MINUTES_KEPT}.md`, minutesOf(session));
  session = { number: session.number + 1, turns: [] };
  await writeResult('session', session);
}

function minutesOf({ number, turns }: Session): string {
  const said = turns.map(({ speaker, text }, turn) => `## ${speaker}, turn ${turn + 1}\n\n${text}\n`);
  return [`# Roundtable, session ${number}\n`, ...said].join('\n');
}

while (!signal.aborted) {
  await heartbeat
    .job({ id: `session-${session.number}`, type: 'session' }, holdSession)
    .catch((error) => signal.aborted || console.error(inOneLine(error)));
  await pause(20, signal); // the others' results change slowly
}
