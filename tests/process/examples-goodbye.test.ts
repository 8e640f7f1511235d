import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { createWorld, samples, type World } from './examples-world.ts';

let world: World;
afterEach(() => world.end());

describe('the five together', () => {
  it('find nothing to work on and go on without an error, writing nothing where they only read', async () => {
    world = await createWorld();
    const started = samples.map((name) => ({ name, ...world.start(name) }));
    for (const { name, child, output } of started) {
      await until(() => world.recorder.beats(name).length >= 5, {
        timeout: 20_000,
        what: `five beats of ${name}`,
      });
      const beats = world.recorder.beats(name);
      expect(beats[0]).toMatchObject({ heartbeat_interval_s: 1, pid: child.pid });
      expect(beats.every((beat) => beat.errors_total === 0)).toBe(true);
      expect(world.recorder.statuses(name)).not.toContain('error');
      expect(output()).toBe('');
    }
    expect(await readdir(world.source)).toEqual([]);
  });

  it('work while Supabase is away, and end in time all the same', async () => {
    world = await createWorld();
    await world.recorder.close();
    await world.write('a.md', '# A\n\nText.\n');
    const started = samples.map((name) => world.start(name));
    for (const file of ['analysis.json', 'html/repository/a.html', 'posts.json', 'minutes/session-1.md']) {
      await until(() => world.read(file), { timeout: 20_000, what: file });
    }
    for (const { output } of started) await until(() => /Supabase cannot be reached/.test(output()));
    for (const { took, signal } of await Promise.all(started.map((sample) => sample.end('SIGTERM')))) {
      expect(signal).toBe('SIGTERM');
      expect(took).toBeLessThan(2_500);
    }
  });
});

describe.each(samples)('%s', (name) => {
  it('finishes the job at hand on SIGTERM, says goodbye, and is gone within two seconds', async () => {
    world = await createWorld({ speed: 1 }); // as slow as people see it, so that it is in the middle of something
    const site = createServer((request, response) => {
      // The crawler's job at hand is a page that takes for ever.
      if (request.method === 'HEAD') response.end();
    });
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    try {
      for (const path of ['a.md', 'b.md', 'c.md', 'd.md', 'e.md']) await world.write(path, '# A\n\nText.\n');
      await world.write('html/a.html', '<h1>A</h1><p>Text.</p>', world.folder);
      await world.write('sink-down', '', world.folder);
      const sample = world.start(name, {
        DASHBOARD_URL: `http://127.0.0.1:${(site.address() as AddressInfo).port}`,
      });
      await until(() => world.recorder.beats().some((beat) => Number(beat.jobs_active) > 0), {
        what: 'a job',
      });

      const { took, signal, code } = await sample.end('SIGTERM');
      expect(took).toBeLessThan(2_000);
      expect(code ?? signal).toBe('SIGTERM');
      expect(world.recorder.statuses().at(-1)).toBe('stopped');
      const goodbye = world.recorder.last();
      expect(goodbye).toMatchObject({
        jobs_active: 0,
        errors_total: 0,
        last_exit: { signal: 'SIGTERM', code: 143 },
      });
      expect(goodbye?.last_exit).not.toHaveProperty('abandoned_job');
      expect(sample.output()).toBe('');
    } finally {
      site.closeAllConnections();
      site.close();
    }
  });
});
