import { fleetJson } from '$lib/fleet/fleet-json.ts';
import { readSnapshot } from '$lib/fleet/message.ts';
import { answer } from '$lib/server/answer.ts';
import { readFleet } from '$lib/server/fleet.ts';
import type { RequestHandler } from './$types';

/** Every worker, and what its row means now, for members: docs/api.md. */
export const GET: RequestHandler = ({ locals }) =>
  answer(async () => fleetJson(readSnapshot(await readFleet(locals.session))));
