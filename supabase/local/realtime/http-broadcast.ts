import { json } from '../http.ts';
import { PAYLOAD_LIMIT, payloadSize, type Broadcast } from './broadcast.ts';
import type { Services } from './channel.ts';
import { headersForPolicies } from './headers.ts';
import { TokenRefused, type Claims } from './tokens.ts';

const BATCH = '/realtime/v1/api/broadcast';
const SINGLE = /^\/realtime\/v1\/api\/broadcast\/([^/]+)\/events\/([^/]+)$/;
/** Bytes of a whole request. */
const BODY_LIMIT = 4_000_000;

/** Broadcasts by HTTP: a batch for any topics, or a single one with the body as its payload. */
export async function handleBroadcast(request: Request, services: Services): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const single = SINGLE.exec(pathname);
  if (!single && pathname !== BATCH) return json(404, { error: 'not_found' });
  if (request.method !== 'POST') return json(405, { error: 'Method not allowed' }, { allow: 'POST' });
  const claims = await whoAsks(request, services);
  if (!claims) return json(401, { error: 'Unauthorized' });
  const sender = new Sender(services, claims, headersForPolicies(request.headers));
  const body = await readBody(request);
  if (!body) return json(413, { error: 'Payload too large' });
  if (!single) return sender.batch(body);
  const [topic, event] = single.slice(1).map(decoded) as [string, string];
  return sender.single(topic, event, searchParams.get('private') === 'true', body, request.headers);
}

/** The session's token if there is one, else the API key. */
async function whoAsks({ headers }: Request, { tokens }: Services): Promise<Claims | undefined> {
  const bearer = /^Bearer\s+(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1];
  const keyClaims = tokens.ofKey(headers.get('apikey')) ?? tokens.ofKey(bearer ?? null);
  if (!bearer || bearer.startsWith('sb_')) return keyClaims;
  try {
    return await tokens.verify(bearer);
  } catch (error) {
    if (error instanceof TokenRefused) return undefined;
    throw error;
  }
}

async function readBody(request: Request): Promise<Buffer | undefined> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request.body ?? []) {
    size += (part as Uint8Array).byteLength;
    if (size > BODY_LIMIT) return undefined;
    parts.push(part as Uint8Array);
  }
  return Buffer.concat(parts);
}

class Sender {
  readonly #services: Services;
  readonly #claims: Claims;
  readonly #headers: Record<string, string>;
  /** Results of the policies by topic, so that a batch checks each topic once. */
  readonly #mayWrite = new Map<string, Promise<boolean>>();

  constructor(services: Services, claims: Claims, headers: Record<string, string>) {
    this.#services = services;
    this.#claims = claims;
    this.#headers = headers;
  }

  async single(
    topic: string,
    event: string,
    isPrivate: boolean,
    body: Buffer,
    headers: Headers,
  ): Promise<Response> {
    const type = (headers.get('content-type') ?? '').split(';')[0]!.trim();
    let payload: string | Buffer;
    if (type === 'application/octet-stream') payload = body;
    else if (type !== 'application/json') return json(415, { error: 'Unsupported Media Type' });
    else {
      payload = body.toString() || '{}';
      try {
        JSON.parse(payload);
      } catch {
        return json(400, { error: 'Bad Request' });
      }
    }
    const broadcast = { event, payload };
    if (payloadSize(broadcast) > PAYLOAD_LIMIT) return tooLarge();
    if (isPrivate && !(await this.#allowed(topic))) return json(403, { error: 'Unauthorized' });
    this.#publish(topic, isPrivate, broadcast);
    return accepted();
  }

  async batch(body: Buffer): Promise<Response> {
    const messages = readBatch(body);
    if (!messages) return json(422, { errors: { messages: ['each needs a topic, an event and a payload'] } });
    if (messages.some(({ broadcast }) => payloadSize(broadcast) > PAYLOAD_LIMIT)) return tooLarge();
    for (const { topic, isPrivate, broadcast } of messages) {
      // A forbidden message is skipped, as on hosted.
      if (!isPrivate || (await this.#allowed(topic))) this.#publish(topic, isPrivate, broadcast);
    }
    return accepted();
  }

  #publish(topic: string, isPrivate: boolean, broadcast: Broadcast): void {
    this.#services.hub.publish(`realtime:${topic}`, isPrivate, broadcast);
  }

  #allowed(topic: string): Promise<boolean> {
    let answer = this.#mayWrite.get(topic);
    if (!answer) {
      answer = this.#services.authorization.mayWrite({
        topic,
        claims: this.#claims,
        headers: this.#headers,
      });
      this.#mayWrite.set(topic, answer);
    }
    return answer;
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a literal percent sign
  }
}

interface BatchMessage {
  topic: string;
  isPrivate: boolean;
  broadcast: Broadcast;
}

function readBatch(body: Buffer): BatchMessage[] | undefined {
  let value: { messages?: unknown };
  try {
    value = JSON.parse(body.toString()) as typeof value;
  } catch {
    return undefined;
  }
  if (!Array.isArray(value?.messages)) return undefined;
  const messages = (value.messages as (Record<string, unknown> | null)[]).map((message) => {
    const { topic, event, payload, private: isPrivate } = message ?? {};
    if (typeof topic !== 'string' || typeof event !== 'string' || payload == null) return undefined;
    return { topic, isPrivate: isPrivate === true, broadcast: { event, payload: JSON.stringify(payload) } };
  });
  return messages.includes(undefined) ? undefined : (messages as BatchMessage[]);
}

const accepted = () => new Response(null, { status: 202 });
const tooLarge = () => json(422, { errors: { payload: [`at most ${PAYLOAD_LIMIT} bytes`] } });
