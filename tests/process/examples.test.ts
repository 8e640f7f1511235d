import { readdir, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { createWorld, type World } from './examples-world.ts';

let world: World;
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  await world.end();
  for (const step of cleanUp.splice(0)) await step();
});

describe('crawl-worker', () => {
  /** A site of a few pages on loopback, by path: the body, or a status, or where it redirects to. */
  async function startSite(pages: Record<string, string | number | URL>, port = 0) {
    const requests: string[] = [];
    const sessions = new Set<string>();
    const server = createServer((request, response) => {
      const path = request.url ?? '';
      requests.push(`${request.method} ${path}`);
      response.setHeader('content-type', 'text/html');
      if (request.headers.cookie) sessions.add(request.headers.cookie);
      else response.setHeader('set-cookie', `session=${requests.length}; Path=/; HttpOnly`);
      const page = pages[path] ?? 404;
      if (typeof page === 'string') response.end(page);
      else if (typeof page === 'number') response.writeHead(page).end();
      else response.writeHead(303, { location: page.pathname }).end();
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    cleanUp.push(() => (server.closeAllConnections(), server.close()));
    return { requests, sessions, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  it('visits each page once a round, within one session, looks at what it loads, and notes what is broken', async () => {
    world = await createWorld();
    const elsewhere = await startSite({ '/': 'another site' });
    const site = await startSite({
      '/': `<a href="/list?by=name&amp;up=1">list</a> <a href='/list?by=name&amp;up=1#top'>top</a> <a href="moved">moved</a>
            <link rel="stylesheet" href="/style.css"> <a href="${elsewhere.url}/">away</a> <a href="mailto:a@b">mail</a>
            <script type="module">import('/app.js')</script> <img src="/lost.png">`,
      '/list?by=name&up=1': '<a href="/">home</a> <a href="/gone">gone</a>',
      '/moved': new URL('http://x/end'),
      '/end': '<p>the end</p> <img src="/lost.png">',
      '/style.css': '',
      '/app.js': '<a href="/unheard">only in a script</a>',
    });
    world.start('crawl-worker', { DASHBOARD_URL: site.url });

    const report = await until(() => world.readJson('crawl.json'), { what: 'the report of a round' });
    expect(report).toMatchObject({
      pages: 5,
      broken: [
        { path: '/lost.png', status: 404 },
        { path: '/gone', status: 404 },
      ],
    });
    const round = site.requests.slice(0, site.requests.indexOf('HEAD /', 1) + 1 || undefined);
    expect(round.filter((request) => request.startsWith('GET')).sort()).toEqual(
      ['/', '/app.js', '/end', '/gone', '/list?by=name&up=1', '/lost.png', '/moved', '/style.css'].map(
        (path) => `GET ${path}`,
      ),
    );
    expect(site.sessions.size).toBe(1);
    expect(elsewhere.requests).toEqual([]);

    await until(() =>
      world.recorder.beats().some((beat) => (beat.metadata as { broken: number }).broken === 2),
    );
    expect(world.recorder.last()).toMatchObject({ errors_total: 0 });
    await until(() => world.recorder.log().some(({ message }) => /^Round over: 5 pages/.test(message)));
    expect(world.recorder.log()).toContainEqual(
      expect.objectContaining({ level: 'warn', message: '/gone answers 404' }),
    );
    const shown = world.recorder.beats().flatMap((beat) => beat.current_status ?? []);
    expect(shown.some((status) => /^Crawling \//.test(String(status)))).toBe(true);
    expect(shown.filter((status) => /\.(js|css|png)/.test(String(status)))).toEqual([]);
  });

  it('ends a round after 50 pages, on a site that makes up links as it goes', async () => {
    world = await createWorld({ speed: 1000 });
    const site = await startSite(
      new Proxy(
        {},
        { get: (_, path) => `<a href="?${Number(String(path).split('?')[1] ?? 0) + 1}">next</a>` },
      ),
    );
    world.start('crawl-worker', { DASHBOARD_URL: site.url });
    const report = await until(() => world.readJson('crawl.json'), { what: 'the end of the round' });
    expect(report).toMatchObject({ pages: 50, broken: [] });
  });

  it('waits for a site that is not there, says so, and counts no error', async () => {
    world = await createWorld();
    const { url } = await startSite({});
    await cleanUp.pop()?.();
    world.start('crawl-worker', { DASHBOARD_URL: url });
    await until(() => world.recorder.last()?.current_status === `Waiting for ${url}`);

    await startSite({ '/': '<p>here I am</p>' }, Number(new URL(url).port));
    await until(() => world.readJson('crawl.json'));
    const beat = await until(() => world.recorder.beats().findLast((beat) => Number(beat.jobs_total) >= 1));
    expect(beat.errors_total).toBe(0);
  });
});

describe('analyze-worker', () => {
  it('measures the files, again when they change, and drops the ones that are gone', async () => {
    world = await createWorld();
    await world.write('README.md', '# One two\n\nThree [four](docs/there.md) [five](docs/missing.md#x).\n');
    await world.write('docs/there.md', 'word '.repeat(500));
    await world.write('node_modules/package/README.md', 'not ours');
    world.start('analyze-worker');

    const analysis = () => world.readJson('analysis.json');
    await until(async () => (await analysis()).length === 2, { what: 'both files to be measured' });
    expect(await analysis()).toMatchObject([
      { path: 'README.md', words: 5, headings: 1, minutes: 1, broken: ['docs/missing.md#x'] },
      { path: 'docs/there.md', words: 500, headings: 0, minutes: 3, broken: [] },
    ]);

    await world.write('README.md', 'Six words are in here now.\n');
    await until(async () => (await analysis())[0].words === 6, { what: 'the change to be measured' });
    await rm(join(world.source, 'README.md'));
    await until(async () => (await analysis()).length === 1, { what: 'the file to be forgotten' });
  });

  it('notices a link that breaks because its target goes', async () => {
    world = await createWorld();
    await world.write('README.md', 'See [this](there.md).\n');
    await world.write('there.md', 'Here.\n');
    world.start('analyze-worker');
    await until(async () => (await world.readJson('analysis.json')).length === 2);
    await rm(join(world.source, 'there.md'));
    await until(async () => (await world.readJson('analysis.json'))[0].broken[0] === 'there.md');
  });

  it('reports its passes, so that a stuck one would show', async () => {
    world = await createWorld();
    await world.write('README.md', 'Hello.\n');
    world.start('analyze-worker');
    const beat = await until(() => world.recorder.beats().find((beat) => beat.last_run_age_ms !== undefined));
    expect(beat).toMatchObject({ poll_interval_s: 5, processed_count: 1, last_run_errors: 0 });
    expect(beat.last_run_duration_ms).toBeTypeOf('number');
  });

  it('turns to error when a pass fails, and back when one succeeds', async () => {
    world = await createWorld();
    await world.write('README.md', 'Hello.\n');
    await world.write('samples', 'a file where the folder should be', join(world.folder, '..'));
    world.start('analyze-worker');
    const failing = await until(() => world.recorder.beats().find((beat) => beat.status === 'error'));
    expect(failing.last_error).toMatch(/EEXIST|ENOTDIR/);
    await rm(world.folder);
    await until(() => world.recorder.last()?.status !== 'error', { what: 'recovery' });
  });
});

describe('content-worker', () => {
  it('renders what is new or changed and leaves the rest alone', async () => {
    world = await createWorld();
    await world.write(
      'README.md',
      '# Hello\n\nSee [that](docs/that.md#here), [site](https://x.invalid/a.md).\n',
    );
    await world.write('docs/that.md', 'That.\n');
    await world.write('minutes/session-1.md', '# Minutes\n', world.folder);
    world.start('content-worker');

    const readme = 'html/repository/README.html';
    const html = await until(() => world.read(readme), { what: 'the rendered page' });
    expect(html).toContain('<h1>Hello</h1>');
    expect(html).toContain('href="docs/that.html#here"');
    expect(html).toContain('href="https://x.invalid/a.md"');
    expect(await until(() => world.read('html/minutes/session-1.html'))).toContain('<h1>Minutes</h1>');

    const that = join(world.folder, 'html/repository/docs/that.html');
    const before = await until(() => stat(that));
    await world.write('README.md', '# Changed\n');
    await until(async () => (await world.read(readme)).includes('<h1>Changed</h1>'));
    expect((await stat(that)).ino).toBe(before.ino); // a page that is written again is another file
  });

  it('has up to three jobs at once, and never more', async () => {
    world = await createWorld({ speed: 1 });
    for (let number = 1; number <= 9; number++) await world.write(`${number}.md`, `# ${number}\n`);
    world.start('content-worker');
    await until(() => world.recorder.beats().some((beat) => beat.jobs_active === 3), {
      what: 'three active jobs',
    });
    await until(() => Number(world.recorder.last()?.jobs_total) === 9);
    expect(Math.max(...world.recorder.beats().map((beat) => Number(beat.jobs_active)))).toBe(3);
  });
});

describe('x-autopost', () => {
  const page = (sections: number) =>
    Array.from(
      { length: sections },
      (_, n) => `<h2>Part ${n}</h2>\n<p>It &amp; <em>more</em> of ${n}.</p>`,
    ).join('\n');

  it(
    'posts each text once, waits when it is limited, and goes on after a refusal',
    { timeout: 30_000 },
    async () => {
      world = await createWorld({ speed: 50 });
      await world.write('html/page.html', page(20), world.folder);
      const first = world.start('x-autopost');

      const posts = await until(
        async () => (await world.readJson('posts.json')).length === 20 && world.readJson('posts.json'),
        { timeout: 25_000, what: 'all texts to be posted' },
      );
      expect(new Set(posts.map((post: { text: string }) => post.text)).size).toBe(20);
      expect(posts[0]).toMatchObject({ text: 'Part 0: It & more of 0.', outcome: 'posted' });
      expect(posts.filter((post: { outcome: string }) => post.outcome === 'refused')).toHaveLength(1);

      const beat = await until(() =>
        world.recorder.beats().findLast((beat) => Number(beat.errors_total) === 1),
      );
      expect(beat.last_error).toMatch(/^refused: /);
      expect(beat.status).not.toBe('error'); // failing work is not a failing worker
      expect((beat.metadata as { rate_limited: number }).rate_limited).toBeGreaterThan(0);
      expect(first.output()).toBe(`${beat.last_error}\n`); // no trace: five workers share a terminal

      await first.end('SIGKILL');
      await world.write('html/news.html', '<h2>News</h2><p>Fresh.</p>', world.folder);
      world.start('x-autopost');
      await until(async () => (await world.readJson('posts.json')).length === 21);
      expect((await world.readJson('posts.json'))[20].text).toBe('News: Fresh.');
    },
  );

  it(
    'opens its circuit breaker while the service is down, and closes it after',
    { timeout: 40_000 },
    async () => {
      world = await createWorld({ speed: 20 });
      await world.write('sink-down', '', world.folder);
      await world.write('html/page.html', page(3), world.folder);
      world.start('x-autopost');

      const open = await until(
        () => world.recorder.beats().find((beat) => beat.circuit_breaker_state === 'open'),
        { timeout: 20_000, what: 'an open breaker' },
      );
      expect(open).toMatchObject({ circuit_breaker_failures: 3, circuit_breaker_threshold: 3 });
      expect(open.circuit_breaker_reason).toMatch(/503, 4 times/);
      await expect(readdir(world.folder)).resolves.not.toContain('posts.json');

      await rm(join(world.folder, 'sink-down'));
      await until(() => world.recorder.last()?.circuit_breaker_state === 'closed', {
        timeout: 15_000, // the cool-down is 10 s
        what: 'a closed breaker',
      });
      await until(async () => (await world.readJson('posts.json')).length === 3, {
        what: 'the texts that waited',
      });
    },
  );
});

describe('roundtable-worker', () => {
  it('lets each speaker say twice what the others found, and keeps the minutes', async () => {
    world = await createWorld();
    const file = { path: 'docs/a.md', words: 1234, headings: 2, minutes: 6, broken: ['b.md'], at: 1 };
    await world.write('analysis.json', JSON.stringify([file]), world.folder);
    await world.write('crawl.json', '{ half of', world.folder); // left by somebody else: no reason to fail
    world.start('roundtable-worker');

    const minutes = await until(() => world.read('minutes/session-1.md'), { what: 'the minutes' });
    expect(minutes.match(/^## \w+/gm)).toEqual(
      ['Librarian', 'Scout', 'Publicist', 'Librarian', 'Scout', 'Publicist'].map((name) => `## ${name}`),
    );
    expect(minutes).toContain('1 file, 1,234 words; docs/a.md takes 6 minutes to read.');
    expect(minutes).toContain('docs/a.md points to b.md, which is not there.');
    expect(minutes).toContain('I have not been round the site yet');
    await until(() =>
      world.recorder.beats().some((beat) => / speaks \(turn \d of 6\)/.test(`${beat.current_status}`)),
    );
  });

  it('goes on with a session that a kill -9 interrupted, at the turn where it stopped', async () => {
    world = await createWorld({ speed: 5 });
    const first = world.start('roundtable-worker');
    await until(async () => (await world.readJson('session.json')).turns.length === 2);
    await first.end('SIGKILL');
    const { turns } = await world.readJson('session.json');

    const before = world.recorder.beats().length;
    world.start('roundtable-worker');
    const beat = await until(() =>
      world.recorder
        .beats()
        .slice(before)
        .find((one) => one.current_job_id),
    );
    expect(beat.current_job_id).toBe('session-1');
    expect(beat.current_status).toMatch(/turn 3 of 6/);
    await until(() => world.read('minutes/session-1.md'));
    expect((await world.read('minutes/session-1.md')).split('\n\n')[2]).toBe(`${turns[0].text}`);
  });
});
