import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig, type Plugin } from 'vite';

/**
 * What every page loads, in two files instead of ten small ones: that packs 2 KB smaller. Svelte and SvelteKit (but for
 * what only forms need), and what is around and in place of most pages. What charts and most pages share stands with Svelte:
 * in chunks of its own it would weigh half a KB more. What the pages of a fleet and of a worker share, who follow the same
 * channel, is one file for the same reason: 1.5 KB.
 */
const groups = [
  {
    name: 'framework',
    test: /(node_modules.(svelte|@sveltejs|devalue|esm-env|clsx)(?!.*app.forms)|preload-helper|src.lib.time.words)/,
  },
  { name: 'shell', test: /src.(routes.\+(error|layout)|lib.components.(Account|Notice|Brand|favicon))/ },
  {
    name: 'live',
    test: /(node_modules.@supabase|src.lib.(realtime.(follow|channel|http|source|supabase)|fleet.(arrange|fleet|query|group|health|message|shape|tally|tick|turns|worker|run-words|job-url|pacing)\.|time.clock|components.(TabSign|BreakerBadge|RestartHint|Until|Banner|Ago|LevelIcon|LiveSign|words|clock-context)\.))/,
  },
  { name: 'forms', test: /(app.forms|src.lib.components.(EntryForm|Card))/ },
];

/**
 * Parts of realtime-js that stay out of what browsers load: the fleet is broadcast, so nobody is present on a channel and no
 * change of a table is filtered. 2 KB of the 17. A release that moves these files brings them back, and the bench of the
 * page's weight says so.
 */
const unused: Plugin = {
  name: 'lastseen:unused-realtime',
  apply: (_, { isSsrBuild }) => !isSsrBuild,
  load(id) {
    if (/realtime-js.dist.module.phoenix.presenceAdapter\.js/.test(id)) return 'export default class {}';
    if (/realtime-js.dist.module.RealtimePostgresFilterBuilder\.js/.test(id))
      return 'export class RealtimePostgresFilterBuilder {}\nexport const postgresChangesFilter = undefined;';
    return null;
  },
};

export default defineConfig(({ isSsrBuild }) => ({
  plugins: [unused, sveltekit()],
  optimizeDeps: { include: ['@supabase/realtime-js'] },
  build: isSsrBuild ? {} : { rolldownOptions: { output: { codeSplitting: { groups } } } },
}));
