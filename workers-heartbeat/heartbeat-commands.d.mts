// The types of Lastseen's heartbeat-commands module, made from heartbeat-commands.ts by `npm run heartbeat`.
/**
 * Commands for Lastseen's heartbeat: operators restart and stop the worker from its page; other parts bring more commands.
 *
 *     import { commands } from './heartbeat-commands.mjs';
 *     commands(heartbeat, { onCommand, supabase });
 *
 * They come with the answer to a beat, or at once where the worker lends its own Supabase client. Restart and stop end the
 * process as SIGTERM would: its own handlers run, and the exit code is 75 or 0.
 */
import type { Fields, Heartbeat } from './heartbeat.mjs';
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
  supabase?:
    | {
        channel(
          topic: string,
          options: {
            config: {
              private: boolean;
            };
          },
        ): unknown;
      }
    | undefined;
}
/**
 * Lets operators command the worker.
 *
 * @throws {TypeError} naming the option, when one is wrong
 */
export declare function commands(heartbeat: Heartbeat, { onCommand, supabase }?: CommandOptions): void;
