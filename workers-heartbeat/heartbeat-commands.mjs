// The code of Lastseen's heartbeat-commands module, made from heartbeat-commands.ts by `npm run heartbeat`.

const RESTART = 75; // systemd, PM2, Docker and Kubernetes restart on it: sysexits' EX_TEMPFAIL
const PATIENCE_MS = 5_000;
const clip = (value, length) => String(value ?? '').slice(0, length);
const messageOf = (error) => clip(error?.message ?? error, 500);

/**
 * Lets operators command the worker.
 *
 * @throws {TypeError} naming the option, when one is wrong
 */
export function commands(heartbeat, { onCommand, supabase } = {}) {
  if (onCommand && typeof onCommand !== 'function') throw new TypeError('commands: onCommand must be a function');
  if (supabase && typeof supabase.channel !== 'function')
    throw new TypeError('commands: supabase must be a Supabase client');
  /** Commands that it knows, so that each is carried out once, and what it reports about them. */
  const known = heartbeat.parts.find(({ name }) => name === 'commands')?.handle ?? new Set();
  const reports = new Map();
  const wakeUp = supabase && createWakeUp(heartbeat, supabase);
  const ending = createEnding(heartbeat);

  function report(id, state, message) {
    reports.set(id, { id, state, ...(message && { message: heartbeat.mask(clip(message, 500)) }) });
    heartbeat.beat();
  }

  /** Why the worker itself refuses, or nothing. */
  async function refusal(command) {
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

  async function obey(command) {
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
        if (command) obey(command).catch((error) => heartbeat.warn(`a command failed: ${messageOf(error)}`));
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
function missing(command) {
  const part = /^breaker_/.test(command) ? 'breaker' : command === 'log_level' ? 'logs' : 'drain';
  const isKnown = /^(breaker_(reset|trip)|log_level|drain|resume)$/.test(command);
  return isKnown ? `the worker does not carry heartbeat-${part}.mjs` : `this module does not know ${command}`;
}

/** Restart and stop: ends the process as a supervisor would. */
function createEnding(heartbeat) {
  let asked;
  /** A process that ends itself in its own way still ends with the code that was asked for. */
  const onExit = (code) => {
    if (asked && (!code || code === 143 || code === 130)) process.exitCode = asked.code;
  };
  return {
    /** Resolves with why the process lives on, after the time for its work; with nothing where it runs on as asked. */
    async begin(code, why) {
      if (!code && !heartbeat.isAlone()) return void (await heartbeat.stop(why)); // other workers of the process run on
      const failed = new Promise((fail) => (asked = { code, why, fail, before: process.exitCode }));
      process.exitCode ??= code;
      process.prependListener('exit', onExit);
      // What a supervisor would send: the heartbeat receives it, and the host's own handlers.
      const signal = process.listenerCount('SIGINT') > process.listenerCount('SIGTERM') ? 'SIGINT' : 'SIGTERM';
      if (process.emit(signal, signal)) return failed;
      await heartbeat.stop(why);
      return process.exit(code);
    },
    /** The worker was asked to end, and its work gets so many seconds; its goodbye takes 4 at most. */
    limit(seconds) {
      const giveUp = () => {
        if (process.exitCode === asked?.code) process.exitCode = asked?.before;
        process.removeListener('exit', onExit);
        asked?.fail(`the worker lives on after shutdown.timeout (${seconds} s): its own code must end it`);
        asked = undefined;
      };
      if (asked) setTimeout(giveUp, (seconds + 5) * 1000).unref();
    },
    fields: (status) => (asked && /stop/.test(status) ? { status_reason: asked.why } : {}),
  };
}

/** Beats at once when the database sends a wake-up, at most once a second. Whatever the client does, beats go on. */
function createWakeUp(heartbeat, supabase) {
  let channel;
  let [tried, joined, wokenAt] = [false, false, -Infinity];
  const trouble = (error) =>
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
        channel = supabase.channel(`hp:wake-up:${heartbeat.instance}`, { config: { private: true } });
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
      const [client, left] = [supabase, channel];
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

const core = globalThis;
core[Symbol.for('lastseen.heartbeat')]?.join(commands);
