import adapter from '@sveltejs/adapter-vercel';

/** @type {import('@sveltejs/kit').Config} */
export default {
  kit: {
    adapter: adapter({ runtime: 'nodejs24.x' }),
    csp: {
      // What only the running server knows, the project's address and who may frame, src/hooks.server.ts adds.
      directives: {
        'default-src': ['none'],
        'script-src': ['self'],
        'style-src': ['self'],
        // The one style attribute there is: SvelteKit's own, of the line that tells screen readers of a new page.
        'style-src-attr': ['unsafe-hashes', 'sha256-S8qMpvofolR8Mpjy4kQvEm7m1q8clzU4dfDH0AmvZjo='],
        'img-src': ['self', 'data:'],
        'font-src': ['self'],
        'manifest-src': ['self'],
        // realtime-js makes the worker that keeps its socket awake in background tabs out of a text.
        'worker-src': ['self', 'blob:'],
        'form-action': ['self'],
        'base-uri': ['none'],
      },
    },
  },
};
