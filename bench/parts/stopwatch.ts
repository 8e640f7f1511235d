import type { Page } from 'playwright-core';

/**
 * Watches the text of one element and notes the time of the change that brings it into line: when the document has the
 * text, before it is painted. Wall clock, as the workers use: all of it is one machine.
 */
export async function stopwatch(page: Page, selector: string) {
  await page.evaluate((selector) => {
    const here = globalThis as never as {
      expect(text: string, present: boolean): void;
      seen: Promise<number>;
    };
    let check = () => {};
    new MutationObserver(() => check()).observe(document.body, {
      subtree: true,
      childList: true,
      characterData: true,
    });
    here.expect = (text, present) => {
      const holds = () => Boolean(document.querySelector(selector)?.textContent?.includes(text)) === present;
      if (holds()) throw new Error(`The page is in line with '${text}' already.`);
      here.seen = new Promise((resolve) => {
        check = () => {
          const now = Date.now();
          if (!holds()) return;
          check = () => {};
          resolve(now);
        };
      });
    };
  }, selector);
  return {
    /** Sets it: the text will come (or go). Without it, an error says so when it is there (or gone) already. */
    expect: (text: string, present = true) =>
      page.evaluate(
        ([text, present]) =>
          (globalThis as never as { expect(text: string, present: boolean): void }).expect(text, present),
        [text, present] as const,
      ),
    /** Epoch milliseconds of the change. */
    seen: () => page.evaluate(() => (globalThis as never as { seen: Promise<number> }).seen),
  };
}

/** A page that shows what it hears on a public channel, and nothing else: a bare WebSocket, one text. */
export async function openBarePage(page: Page, url: string, key: string, topic: string): Promise<void> {
  await page.setContent('<p id="text"></p>');
  await page.evaluate(
    ({ url, key, topic }) =>
      new Promise<void>((joined, reject) => {
        const socket = new WebSocket(
          `${url.replace('http', 'ws')}/realtime/v1/websocket?apikey=${key}&vsn=1.0.0`,
        );
        socket.onerror = () => reject(new Error('The socket failed.'));
        socket.onopen = () => {
          const payload = { config: { broadcast: {}, private: false } };
          socket.send(JSON.stringify({ topic, event: 'phx_join', payload, ref: '1', join_ref: '1' }));
          setInterval(
            () =>
              socket.send(JSON.stringify({ topic: 'phoenix', event: 'heartbeat', payload: {}, ref: '2' })),
            25_000,
          );
        };
        socket.onmessage = ({ data }) => {
          const { topic: of, event, payload } = JSON.parse(String(data));
          if (of !== topic) return;
          if (event === 'phx_reply') joined();
          if (event === 'broadcast') document.querySelector('#text')!.textContent = payload.payload.text;
        };
      }),
    { url, key, topic },
  );
}
