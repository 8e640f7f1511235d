/**
 * Commands for Lastseen's heartbeat: operators restart and stop the worker from its page; other parts bring more commands.
 *
 *     import { commands } from './heartbeat-commands.mjs';
 *     commands(heartbeat, { onCommand, supabase });
 *
 * They come with the answer to a beat, or at once where the worker lends its own Supabase client. Restart and stop end the
 * process as SIGTERM would: its own handlers run, and the exit code is 75 or 0.
 */
import type { Fields, Heartbeat } from './heartbeat.js';

/** What an operator asks of this worker; `reason` is the operator's. */
export interface Command {
  id: number;
  command: 'restart' | 'stop' | 'drain' | 'resume' | 'breaker_reset' | 'breaker_trip' | 'beat' | 'log_level';
  args?: Fields | null;
  reason?: string;
}

export interface CommandOptions {
  /** Called before a command is carried out. `false` or a text (the reason) refuses it; so do throwing and over 5 s. */
  onCommand?: ((command: Command) => unknown) | undefined;
  /** The worker's own Supabase client: with it commands come at once, without it with the answer to the next beat. */
  supabase?: { channel(topic: string, options: { config: { private: boolean } }): unknown } | undefined;
}

const RESTART = 75; // systemd, PM2, Docker and Kubernetes restart on it: sysexits' EX_TEMPFAIL
const PATIENCE_MS = 5_000;
const clip = (value: unknown, length: number) => String(value ?? '').slice(0, length);
const messageOf = (error: unknown) => clip((error as Error | undefined)?.message ?? error, 500);

/**
 * Lets operators command the worker.
 *
 * @throws {TypeError} naming the option, when one is wrong
 */
export function commands(heartbeat: Heartbeat, { onCommand, supabase }: CommandOptions = {}): void {
  if (onCommand && typeof onCommand !== 'function') throw new TypeError('commands: onCommand must be a function');
  if (supabase && typeof supabase.channel !== 'function')
    throw new TypeError('commands: supabase must be a Supabase client');
  /** Commands that it knows, so that each is carried out once, and what it reports about them. */
  const known = (heartbeat.parts.find(({ name }) => name === 'commands')?.handle ?? new Set()) as Set<number>;
  const reports = new Map<number, { id: number; state: string; message?: string; sequence?: number }>();
  const wakeUp = supabase && createWakeUp(heartbeat, supabase);
  const ending = createEnding(heartbeat);

  function report(id: number, state: string, message?: string) {
    reports.set(id, { id, state, ...(message && { message: heartbeat.mask(clip(message, 500)) }) });
    heartbeat.beat();
  }

  /** Why the worker itself refuses, or nothing. */
  async function refusal(command: Command) {
    const late = new Promise((done) => {
      setTimeout(done, PATIENCE_MS, `onCommand took longer than ${PATIENCE_MS / 1000} s`).unref();
    });
    try {
      const answer = await Promise.race([onCommand?.(command), late]);
      return answer === false ? 'the worker refused' : answer;
    } catch (error) {
      return messageOf(error);
    }
  }

  async function obey(command: Command) {
    const { id, args } = command;
    if (!(id >= 0) || known.has(id) || typeof command.command !== 'string') return;
    if (known.size > 1000) known.clear(); // those are long over
    known.add(id);
    const no = onCommand && (await refusal(command));
    if (typeof no === 'string') return report(id, 'refused', no);
    const name = clip(command.command, 100);
    if (heartbeat.signal.aborted && /^(restart|stop|drain|resume)$/.test(name))
      return report(id, 'failed', 'the worker is ending already');
    const act = heartbeat.parts.map((part) => part.commands?.[name]).find(Boolean);
    const outcome = act ? act(args ?? {}, clip(command.reason || 'no reason given', 400)) : missing(name);
    if (outcome instanceof Promise) report(id, 'acknowledged');
    const failure = await outcome;
    report(id, failure ? 'failed' : 'done', failure ?? undefined);
  }

  heartbeat.extend({
    name: 'commands',
    handle: known,
    fields({ sequence, status, bare }) {
      for (const one of reports.values()) one.sequence ??= sequence;
      const all = [...reports.values()].map(({ id, state, message }) => ({ id, state, message }));
      return { ...ending.fields(status), ...(all.length && !bare && { commands: all }) };
    },
    answered(answer) {
      for (const [id, { sequence }] of reports)
        if (sequence && sequence <= Number(answer['sequence'])) reports.delete(id);
      wakeUp?.join();
      for (const command of [answer['commands'] ?? []].flat())
        if (command) obey(command as Command).catch((error) => heartbeat.warn(`a command failed: ${messageOf(error)}`));
    },
    ending(stage, seconds) {
      if (stage === 'stopped') wakeUp?.leave();
      else ending.limit(seconds ?? 0);
    },
    commands: {
      beat: () => undefined,
      restart: (_, reason) => ending.begin(RESTART, `restart requested: ${reason}`),
      stop: (_, reason) => ending.begin(0, `stop requested: ${reason}`),
    },
  });
}

/** Why a command fails that no part of the worker brings. */
function missing(command: string) {
  const part = /^breaker_/.test(command) ? 'breaker' : command === 'log_level' ? 'logs' : 'drain';
  const isKnown = /^(breaker_(reset|trip)|log_level|drain|resume)$/.test(command);
  return isKnown ? `the worker does not carry heartbeat-${part}.mjs` : `this module does not know ${command}`;
}

/** Restart and stop: ends the process as a supervisor would. */
function createEnding(heartbeat: Heartbeat) {
  let asked: { code: number; why: string; fail: (why: string) => void; before: typeof process.exitCode } | undefined;
  /** A process that ends itself in its own way still ends with the code that was asked for. */
  const onExit = (code: number) => {
    if (asked && (!code || code === 143 || code === 130)) process.exitCode = asked.code;
  };
  return {
    /** Resolves with why the process lives on, after the time for its work; with nothing where it runs on as asked. */
    async begin(code: number, why: string): Promise<string | undefined> {
      if (!code && !heartbeat.isAlone()) return void (await heartbeat.stop(why)); // other workers of the process run on
      const failed = new Promise<string>((fail) => (asked = { code, why, fail, before: process.exitCode }));
      process.exitCode ??= code;
      process.prependListener('exit', onExit);
      // What a supervisor would send: the heartbeat receives it, and the host's own handlers.
      const signal = process.listenerCount('SIGINT') > process.listenerCount('SIGTERM') ? 'SIGINT' : 'SIGTERM';
      if (process.emit(signal, signal)) return failed;
      await heartbeat.stop(why);
      return process.exit(code);
    },
    /** The worker was asked to end, and its work gets so many seconds; its goodbye takes 4 at most. */
    limit(seconds: number) {
      const giveUp = () => {
        if (process.exitCode === asked?.code) process.exitCode = asked?.before;
        process.removeListener('exit', onExit);
        asked?.fail(`the worker lives on after shutdown.timeout (${seconds} s): its own code must end it`);
        asked = undefined;
      };
      if (asked) setTimeout(giveUp, (seconds + 5) * 1000).unref();
    },
    fields: (status: string) => (asked && /stop/.test(status) ? { status_reason: asked.why } : {}),
  };
}

/** Beats at once when the database sends a wake-up, at most once a second. Whatever the client does, beats go on. */
function createWakeUp(heartbeat: Heartbeat, supabase: NonNullable<CommandOptions['supabase']>) {
  let channel: Channel | undefined;
  let [tried, joined, wokenAt] = [false, false, -Infinity];
  const trouble = (error: unknown) =>
    heartbeat.warn(
      `its Supabase client can't listen (${messageOf(error)}): commands come with the next beat`,
      'wake-up',
    );
  const wake = () => {
    const wait = Math.max(0, wokenAt + 1000 - performance.now());
    if (!wait) wokenAt = performance.now();
    heartbeat.beat(wait);
  };
  return {
    join() {
      if (tried || heartbeat.signal.aborted) return;
      tried = true;
      try {
        channel = supabase.channel(`hp:wake-up:${heartbeat.instance}`, { config: { private: true } }) as Channel;
        channel.on('broadcast', { event: 'wake-up' }, wake).subscribe((status, error) => {
          if (status === 'SUBSCRIBED') joined = true;
          // The client tries again by itself; later trouble is the network's.
          else if (!joined && channel) trouble(error ?? status);
        });
      } catch (error) {
        trouble(error);
      }
    },
    async leave() {
      const [client, left] = [supabase as unknown as Client, channel];
      channel = undefined;
      try {
        if (left) await client.removeChannel(left);
        // The connection keeps the process alive, and the client its connection for most of a minute.
        if (left && !client.getChannels().length) client.realtime.disconnect();
      } catch {
        // It lets go by itself, later.
      }
    },
  };
}
interface Channel {
  on(type: 'broadcast', filter: { event: string }, listener: () => void): Channel;
  subscribe(listener: (status: string, error?: Error) => void): unknown;
}
type Client = { removeChannel(one: unknown): unknown; getChannels(): unknown[]; realtime: { disconnect(): unknown } };

const core: { [key: symbol]: { join(part: unknown): void } | undefined } = globalThis as never;
core[Symbol.for('lastseen.heartbeat')]?.join(commands);
