/**
 * Resources for Lastseen's heartbeat: with each beat the process's CPU, memory, and how late its event loop runs.
 *
 *     import { resources } from './heartbeat-resources.mjs';
 *     resources(heartbeat);
 */
import { totalmem } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Fields, Heartbeat } from './heartbeat.js';

/** p99 over samples of 100 ms costs 0.4 ms of CPU a second; samples of 10 ms would cost 3. */
const SAMPLE_MS = 100;
/** The longest block is shown for so long: with a beat a second nobody would see it otherwise. */
const BLOCK_SHOWN_MS = 30_000;

const clock = () => performance.now();
const whole = (value: number) => Math.max(0, Math.round(value));

// One measurement a process, which all of its workers report.
let delays: ReturnType<typeof monitorEventLoopDelay> | undefined;
let longest = { ms: 0, at: 0 };
let measured = { at: clock(), spent: 0 };
let current: Fields | undefined;

/** Adds the figures of this process to the worker's beats. */
export function resources(heartbeat: Heartbeat): void {
  heartbeat.extend({ name: 'resources', fields: measure });
}

/** CPU in percent of one core, memory, and how late the event loop ran, since it was measured a second or more ago. */
function measure(): Fields {
  const elapsed = clock() - measured.at;
  if (current && elapsed < 900) return current;
  delays ??= monitorEventLoopDelay({ resolution: SAMPLE_MS });
  const { user, system } = process.cpuUsage();
  const rss = process.memoryUsage.rss();
  const limit = Math.min(totalmem(), process.constrainedMemory?.() || Infinity); // a container's, where it has one
  const late = (nanoseconds: number) => whole(nanoseconds / 1e6 - SAMPLE_MS);
  // A reset costs the first sample, and the last one may still be due: time that no sample covers was spent in a blocked
  // loop, except for twice their pace, and for what rounding costs a long histogram.
  const uncovered = elapsed * 0.998 - (delays.mean * delays.count || 0) / 1e6 - 2 * SAMPLE_MS;
  const ms = Math.max(late(delays.max), current ? whole(uncovered) : 0);
  if (ms >= longest.ms || clock() - longest.at > BLOCK_SHOWN_MS) longest = { ms, at: clock() };
  current = {
    cpu_percent: current && whole((user + system - measured.spent) / elapsed) / 10, // not that of starting up
    memory_rss_bytes: rss,
    memory_percent: whole((rss / limit) * 1000) / 10,
    event_loop_lag_ms: late(delays.percentile(99)),
    event_loop_blocked_ms: longest.ms,
  };
  delays.reset();
  delays.enable();
  measured = { at: clock(), spent: user + system };
  return current;
}

const core: { [key: symbol]: { join(part: unknown): void } | undefined } = globalThis as never;
core[Symbol.for('lastseen.heartbeat')]?.join(resources);
