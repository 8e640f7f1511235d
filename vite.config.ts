import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vite';

/**
 * What every page loads, in two files instead of ten small ones: that packs 2 KB smaller. Svelte and SvelteKit (but for
 * what only forms need), and what is around and in place of most pages. What charts and most pages share stands with Svelte:
 * in chunks of its own it would weigh half a KB more.
 */
const groups = [
  {
    name: 'framework',
    test: /(node_modules.(svelte|@sveltejs|devalue|esm-env|clsx)(?!.*app.forms)|preload-helper|src.lib.time.words)/,
  },
  { name: 'shell', test: /src.(routes.\+(error|layout)|lib.components.(Account|Notice|Brand|favicon))/ },
  { name: 'forms', test: /(app.forms|src.lib.components.(EntryForm|Card))/ },
];

export default defineConfig(({ isSsrBuild }) => ({
  plugins: [sveltekit()],
  optimizeDeps: { include: ['@supabase/realtime-js'] },
  build: isSsrBuild ? {} : { rolldownOptions: { output: { codeSplitting: { groups } } } },
}));
