import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startRecorder } from './fixtures/recorder.ts';

export const samples = [
  'crawl-worker',
  'analyze-worker',
  'content-worker',
  'x-autopost',
  'roundtable-worker',
] as const;

export type SampleName = (typeof samples)[number];

const examples = fileURLToPath(new URL('../../workers-heartbeat/examples/', import.meta.url));

/**
 * A world of its own for sample workers: a folder of Markdown to read, one to write to, and a recorder to report to.
 *
 * @param speed how many times faster than a person can follow
 */
export async function createWorld({ speed = 20 } = {}) {
  const root = await mkdtemp(join(tmpdir(), 'lastseen-samples-'));
  const source = join(root, 'source');
  const folder = join(root, 'samples');
  await mkdir(source);
  const recorder = await startRecorder();
  const running = new Set<ReturnType<typeof start>>();

  function start(name: SampleName, env: Record<string, string> = {}) {
    const child = spawn(process.execPath, [join(examples, `${name}.ts`)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // Nothing of the surroundings: a developer's own SUPABASE_URL must not hear of a test.
      env: {
        PATH: process.env.PATH,
        SUPABASE_URL: recorder.url,
        SUPABASE_SECRET_KEY: 'sb_secret_test',
        WORKER_HEARTBEAT_INTERVAL: '1',
        DASHBOARD_URL: 'http://127.0.0.1:9', // the discard port: nobody is there
        SAMPLES_SOURCE: source,
        SAMPLES_DIR: folder,
        SAMPLES_SPEED: String(speed),
        ...env,
      },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    }
    const exited = once(child, 'close').then(([code, signal]) => ({ code, signal })) as Promise<{
      code: number | null;
      signal: NodeJS.Signals | null;
    }>;
    const sample = {
      child,
      exited,
      output: () => output,
      /** Signals it and waits until it has gone. */
      async end(signal: NodeJS.Signals) {
        const began = performance.now();
        child.kill(signal);
        return { ...(await exited), took: performance.now() - began };
      },
    };
    running.add(sample);
    void exited.then(() => running.delete(sample));
    return sample;
  }

  return {
    source,
    folder,
    recorder,
    start,
    /** Writes a file of the source, or below another folder. */
    async write(path: string, text: string, below = source) {
      await mkdir(dirname(join(below, path)), { recursive: true });
      await writeFile(join(below, path), text);
    },
    /** What a sample has written. Rejects while it has not. */
    read: (path: string) => readFile(join(folder, path), 'utf8'),
    readJson: async (path: string) => JSON.parse(await readFile(join(folder, path), 'utf8')),
    async end() {
      await Promise.all([...running].map((sample) => sample.end('SIGKILL')));
      await recorder.close();
      await rm(root, { recursive: true });
    },
  };
}

export type World = Awaited<ReturnType<typeof createWorld>>;
