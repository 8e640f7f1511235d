import { createServer } from 'node:http';

/** Answers beats as hp_heartbeat does when nobody watches, without a database; counts the requests of each key. */
export async function startStandIn(scope: AsyncDisposableStack) {
  const requests = new Map<string, number>();
  const server = createServer((request, response) => {
    const key = String(request.headers.apikey);
    requests.set(key, (requests.get(key) ?? 0) + 1);
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      const { beats } = JSON.parse(text) as { beats: Record<string, unknown>[] };
      const answers = beats.map(({ worker_name, sequence, heartbeat_interval_s }) => ({
        ok: true,
        current: true,
        epoch: 1,
        counted_jobs: 0,
        counted_errors: 0,
        interval_s: heartbeat_interval_s,
        worker_name,
        sequence,
      }));
      response.setHeader('content-type', 'application/json').end(JSON.stringify(answers));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  scope.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}`, requests: (key: string) => requests.get(key) ?? 0 };
}
