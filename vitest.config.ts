import { svelte } from '@sveltejs/vite-plugin-svelte';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const lib = fileURLToPath(new URL('./src/lib', import.meta.url));

/** A kind of test is a folder under tests/. All of them need nothing running: the set-up starts one PostgreSQL for the run. */
const kind = (name: string, seconds: number) => ({
  extends: true as const,
  test: {
    name,
    include: [`tests/${name}/**/*.test.ts`],
    // Shared CI machines stall for seconds, so a test fails there only after two failures in a row. Elsewhere every failure counts.
    retry: process.env.CI && name !== 'unit' ? 1 : 0,
    testTimeout: seconds * 1000,
    hookTimeout: Math.max(60, seconds) * 1000,
  },
});

export default defineConfig({
  plugins: [svelte()],
  resolve: { alias: { $lib: lib } },
  test: {
    globalSetup: 'tests/support/global-setup.ts',
    // Left to itself Vitest keeps a machine of two cores to one file at a time, and most files wait more than they work.
    maxWorkers: 3,
    projects: [
      kind('unit', 10),
      kind('database', 30),
      kind('process', 60),
      kind('browser', 120),
      // What needs minutes, or other runtimes: `npm run test:slow`.
      kind('slow', 120),
    ],
  },
});
