import { HISTORY_RANGES, type WorkerHistory } from '$lib/rules/history-wire.ts';
import { answer, keptFor } from '$lib/server/http/answer.ts';
import { queryOf } from '$lib/server/http/query.ts';
import { historyCsv, historyFileName } from '$lib/worker-page/charts/history-csv.ts';
import { readHistory } from '$lib/worker-page/charts/history.server.ts';
import { z } from 'zod';
import type { RequestHandler } from './$types';

const wanted = z.object({
  range: z
    .enum(HISTORY_RANGES, { error: `range must be one of ${HISTORY_RANGES.join(', ')}` })
    .default('24h'),
  format: z.string().optional(),
});
type Wanted = z.infer<typeof wanted>;

/** A worker's history, for members: docs/api.md. `format=csv` is for spreadsheets. */
export const GET: RequestHandler = async ({ locals, params, url }) => {
  let query: Wanted;
  let history: WorkerHistory;
  const response = await answer(async () => {
    query = queryOf(url, wanted);
    return (history = await readHistory(locals.session, params.name, query.range));
  });
  if (!response.ok || query!.format !== 'csv') return keptFor(15, response);
  return new Response(historyCsv(history!), {
    headers: {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="${historyFileName(params.name, query!.range)}"`,
    },
  });
};
