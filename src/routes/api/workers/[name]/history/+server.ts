import { historyCsv, historyFileName } from '$lib/worker-page/charts/history-csv.ts';
import type { HistoryRange, WorkerHistory } from '$lib/rules/history-wire.ts';
import { answer, keptFor } from '$lib/server/http/answer.ts';
import { readHistory } from '$lib/worker-page/charts/history.server.ts';
import type { RequestHandler } from './$types';

/** A worker's history, for members: docs/api.md. `format=csv` is for spreadsheets. */
export const GET: RequestHandler = async ({ locals, params, url }) => {
  const range = url.searchParams.get('range') ?? '24h';
  let history: WorkerHistory;
  const response = await answer(
    async () => (history = await readHistory(locals.session, params.name, range)),
  );
  if (!response.ok || url.searchParams.get('format') !== 'csv') return keptFor(15, response);
  return new Response(historyCsv(history!), {
    headers: {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="${historyFileName(params.name, range as HistoryRange)}"`,
    },
  });
};
