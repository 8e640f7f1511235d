// The types of Lastseen's heartbeat-logs module, made from heartbeat-logs.ts by `npm run heartbeat`.
import type { Heartbeat } from './heartbeat.mjs';
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export interface LogOptions {
  /** Takes what is written by `console.debug`, `log`, `info`, `warn`, `error` too. @default WORKER_CAPTURE_CONSOLE is 'on' */
  captureConsole?: boolean | undefined;
  /** Lines below it are left out; an operator may change it. @default 'info' */
  level?: LogLevel | undefined;
}
/** Writes lines, of up to 2,000 characters each, from what `console.log` takes. Never throws. */
export type Log = {
  [level in LogLevel]: (...values: unknown[]) => void;
};
/**
 * Adds a log to the worker.
 * @throws {TypeError} when `level` is none
 */
export declare function logs(heartbeat: Heartbeat, options?: LogOptions): Log;
