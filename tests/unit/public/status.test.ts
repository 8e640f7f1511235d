import { expect, it, vi } from 'vitest';

const workers = [{ name: 'crawl', level: 'healthy', words: 'running', last_seen: null }];
vi.mock('../../../src/lib/server/database/public-client.ts', () => ({
  publicClient: () => ({
    rpc: () => Promise.resolve({ data: { now: '2026-11-22T08:00:00Z', workers }, error: null, status: 200 }),
  }),
}));
vi.mock('../../../src/lib/server/database/configuration.ts', () => ({ configuration: () => ({ url: '' }) }));
const { publicStatus } = await import('../../../src/lib/public/status.server.ts');

it('shows the public page of an older database, without uptime', async () => {
  const status = await publicStatus();
  expect(status!.workers).toEqual([{ ...workers[0], uptime: null, uptime_days: [] }]);
});
