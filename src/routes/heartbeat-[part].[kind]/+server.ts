import { moduleFile } from '$lib/server/http/module-file.ts';
import type { RequestHandler } from './$types';

export const GET: RequestHandler = ({ params }) => moduleFile(`heartbeat-${params.part}.${params.kind}`);
