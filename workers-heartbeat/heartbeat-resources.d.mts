// The types of Lastseen's heartbeat-resources module, made from heartbeat-resources.ts by `npm run heartbeat`.
import type { Heartbeat } from './heartbeat.mjs';
/** Adds the figures of this process to the worker's beats. */
export declare function resources(heartbeat: Heartbeat): void;
