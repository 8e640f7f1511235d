import { error } from '@sveltejs/kit';
import type { RequestHandler } from './$types';

const folder = '../../../workers-heartbeat/';
/** The module's files as text, by path. They are part of the build, so they fit the dashboard's database. */
const files = import.meta.glob<string>(
  [
    '../../../workers-heartbeat/heartbeat*.{ts,mjs,cjs,mts,cts}',
    '../../../workers-heartbeat/vercel.{ts,mjs,cjs,d.mts,d.cts}',
  ],
  { query: '?raw', import: 'default' },
);

/** Serves a file of the heartbeat module, to anyone: `curl -O https://dashboard.example.com/heartbeat.mjs`. */
export const GET: RequestHandler = async ({ params }) => {
  const load = files[folder + params.file];
  if (!load) error(404, `There is no ${params.file}.`);
  const type = /\.[mc]js$/.test(params.file) ? 'text/javascript' : 'text/plain';
  return new Response(await load(), {
    headers: { 'content-type': `${type}; charset=utf-8`, 'cache-control': 'public, max-age=300' },
  });
};
