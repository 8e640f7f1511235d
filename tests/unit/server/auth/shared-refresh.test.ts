import { expect, it, vi } from 'vitest';
import { shareRefresh } from '../../../../src/lib/server/auth/shared-refresh.ts';

it('requests with the same refresh token renew the session once, and all get the result', async () => {
  let asked = 0;
  const renew = async () => Response.json({ session: (asked += 1) });
  const answers = await Promise.all([1, 2, 3].map(() => shareRefresh('one', renew)));
  expect(await Promise.all(answers.map((answer) => answer.json()))).toEqual(
    [1, 1, 1].map((session) => ({ session })),
  );
  expect(await (await shareRefresh('one', renew)).json()).toEqual({ session: 1 });
  expect(await (await shareRefresh('another', renew)).json()).toEqual({ session: 2 });
});

it('a failed request is not remembered', async () => {
  await expect(shareRefresh('lost', () => Promise.reject(new Error('away')))).rejects.toThrow('away');
  expect((await shareRefresh('lost', async () => new Response('', { status: 500 }))).status).toBe(500);
  await vi.waitFor(async () =>
    expect((await shareRefresh('lost', async () => Response.json(1))).status).toBe(200),
  );
});
