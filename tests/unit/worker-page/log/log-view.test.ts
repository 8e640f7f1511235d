import { afterEach, describe, expect, it, vi } from 'vitest';
import { LogView } from '../../../../src/lib/worker-page/log/log-view.svelte.ts';

const wire = (id: number, message = `line ${id}`) => ({
  id,
  at: '2026-11-22T12:00:00Z',
  level: 'info',
  message,
  instance_id: 'a',
  line: id,
});
const everything = { level: 'debug', search: '', amount: 3 } as const;

/** A server that answers when the test says so, with its lines at that time. */
function server() {
  const asked: string[] = [];
  const waiting: (() => void)[] = [];
  const said = { lines: [1, 2].map((id) => wire(id)), status: 200 };
  vi.stubGlobal('fetch', (path: string) => {
    asked.push(new URL(path, 'http://x').search);
    return new Promise((resolve) =>
      waiting.push(() => resolve(Response.json({ lines: said.lines, more: false }, { status: said.status }))),
    );
  });
  const answer = async () => {
    waiting.shift()!();
    await vi.waitFor(() => {});
    await new Promise((resolve) => setTimeout(resolve));
  };
  return { asked, said, answer, waiting };
}
const ids = (view: LogView) => view.lines.map(({ id }) => id);

afterEach(() => vi.unstubAllGlobals());

describe('a log that is followed', () => {
  /** Followed, with its first lines there. */
  async function followed() {
    vi.stubGlobal('document', new EventTarget());
    const { asked, said, answer, waiting } = server();
    const view = new LogView('crawl/eu', everything);
    view.show(everything);
    let hear: (news?: unknown) => void = () => {};
    const end = view.follow((listener) => {
      hear = listener;
      return () => {};
    });
    await answer();
    expect(ids(view)).toEqual([1, 2]);
    return { view, asked, said, answer, waiting, end, hear };
  }

  it('adds new lines, keeps the last ones, and requests missed lines', async () => {
    const { view, asked, said, answer, hear, end } = await followed();
    hear({ after: 2, to: 4, lines: [wire(3), wire(4)] });
    expect(ids(view)).toEqual([2, 3, 4]);
    expect(asked).toHaveLength(1);
    hear({ after: 9, to: 10, lines: [wire(10)] });
    expect(asked).toHaveLength(2);
    said.lines = [wire(8), wire(9)];
    await answer();
    expect(ids(view)).toEqual([8, 9, 10]);
    end();
  });

  it('requests again after an answer during which new lines came, and does not wait for the last one', async () => {
    const { view, asked, said, answer, waiting, hear, end } = await followed();
    for (const to of [100, 200, 300]) hear({ after: to - 100, to });
    expect(waiting).toHaveLength(1);
    said.lines = [wire(150)];
    await answer();
    expect(ids(view)).toEqual([150]);
    expect([asked.length, waiting.length]).toEqual([3, 1]);
    said.lines = [wire(300)];
    await answer();
    expect([ids(view), waiting.length]).toEqual([[300], 0]);
    end();
  });

  it('ignores an answer to an old filter', async () => {
    const { view, asked, said, answer, end } = await followed();
    view.show({ ...everything, level: 'warn' });
    view.show({ ...everything, level: 'error', search: 'a&b' });
    expect(asked.slice(1)).toEqual(['?level=warn&limit=3', '?level=error&search=a%26b&limit=3']);
    said.lines = [wire(77)];
    await answer();
    expect(view.loaded).toBe(false);
    said.lines = [wire(88)];
    await answer();
    expect(ids(view)).toEqual([88]);
    end();
  });

  it('keeps its lines when a request fails, and says so until one succeeds', async () => {
    const { view, said, answer, hear, end } = await followed();
    said.status = 503;
    hear();
    await answer();
    expect([ids(view), view.trouble]).toEqual([[1, 2], 'unreachable']);
    said.status = 401;
    hear();
    await answer();
    expect(view.trouble).toBe('signed-out');
    said.status = 200;
    hear();
    await answer();
    expect(view.trouble).toBeNull();
    end();
  });

  it('keeps old lines while the reader has scrolled up', async () => {
    const { view, said, answer, hear, end } = await followed();
    view.reading = true;
    hear({ after: 2, to: 5, lines: [wire(3), wire(4), wire(5)] });
    expect(ids(view)).toEqual([1, 2, 3, 4, 5]);
    hear();
    said.lines = [wire(4), wire(5), wire(6)];
    await answer();
    expect(ids(view)).toEqual([1, 2, 3, 4, 5, 6]);
    view.reading = false;
    hear({ after: 6, to: 7, lines: [wire(7)] });
    expect(ids(view)).toEqual([5, 6, 7]);
    end();
  });
});
