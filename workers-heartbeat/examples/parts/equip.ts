import { commands } from '../../heartbeat-commands.mjs';
import { drain } from '../../heartbeat-drain.mjs';
import { resources } from '../../heartbeat-resources.mjs';
import type { Heartbeat } from '../../heartbeat.mjs';

/** The parts that every sample carries: its CPU and memory are on its page, and operators restart, stop and drain it. */
export function equip(heartbeat: Heartbeat): void {
  resources(heartbeat);
  drain(heartbeat);
  commands(heartbeat);
}
