import adapter from '@sveltejs/adapter-vercel';

/** @type {import('@sveltejs/kit').Config} */
export default {
  compilerOptions: {
    // Shorter than the default: such a name stands a hundred times in what the browser loads.
    cssHash: ({ hash, filename, css }) => `s${hash(filename ?? css).slice(0, 4)}`,
  },
  kit: {
    adapter: adapter({ runtime: 'nodejs24.x' }),
  },
};
