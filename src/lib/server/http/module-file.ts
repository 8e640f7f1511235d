import { error } from '@sveltejs/kit';

const folder = '../../../../workers-heartbeat/';
/** The files of the heartbeat module as text, by path. They are part of the build, so they fit the dashboard's database. */
const files = import.meta.glob<string>(
  [
    '../../../../workers-heartbeat/heartbeat*.{ts,mjs,cjs,mts,cts}',
    '../../../../workers-heartbeat/vercel.{ts,mjs,cjs,d.mts,d.cts}',
  ],
  { query: '?raw', import: 'default' },
);

/** Serves a file of the heartbeat module, to anyone: `curl -O https://dashboard.example.com/heartbeat.mjs`. */
export async function moduleFile(name: string): Promise<Response> {
  const load = files[folder + name];
  if (!load) error(404, `The heartbeat module has no file ${name}.`);
  const type = /\.[mc]js$/.test(name) ? 'text/javascript' : 'text/plain';
  return new Response(await load(), {
    headers: { 'content-type': `${type}; charset=utf-8`, 'cache-control': 'public, max-age=300' },
  });
}
