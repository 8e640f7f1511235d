import type { ParamMatcher } from '@sveltejs/kit';

/** The names of the heartbeat module's files: heartbeat.mjs, heartbeat-logs.d.mts, vercel.ts and so on. */
export const match = ((file) =>
  /^(heartbeat(-[a-z]+)?|vercel)\.(mjs|cjs|ts|d\.mts|d\.cts)$/.test(file)) satisfies ParamMatcher;
