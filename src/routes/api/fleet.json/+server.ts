import { fleetJson } from '$lib/fleet-page/fleet-json.ts';
import { readSnapshot } from '$lib/rules/message.ts';
import { answer } from '$lib/server/http/answer.ts';
import { readFleet, readFleetWith } from '$lib/server/database/fleet.ts';
import { Refused } from '$lib/server/database/refusal.ts';
import type { RequestHandler } from './$types';

/** Every worker with its health, for members with a session or an access token (docs/api.md). */
export const GET: RequestHandler = ({ locals, request }) =>
  answer(async () => {
    const given = request.headers.get('authorization');
    if (given === null) return fleetJson(readSnapshot(await readFleet(locals.session)));
    const [, token] = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+) *$/i.exec(given) ?? [];
    if (!token) throw new Refused('signed-out', 'Authorization is not "Bearer " and an access token');
    return fleetJson(readSnapshot(await readFleetWith(token)));
  });
