import type { Broadcast } from './broadcast.ts';

/** Versions of the protocol; a socket chooses one with `vsn`. */
export type Version = '1.0.0' | '2.0.0';

/** A frame from a client. */
export interface Frame {
  joinRef: string | null;
  ref: string | null;
  topic: string;
  event: string;
  payload: Record<string, unknown>;
  /** For frames with the event `broadcast`. */
  broadcast?: Broadcast;
}

/** A message to a client. */
export interface Message {
  joinRef?: string | null;
  ref?: string | null;
  topic: string;
  event: string;
  payload: unknown;
}

/** An encoded broadcast, the same bytes for every client. */
export interface Encoded {
  data: Buffer;
  isBinary: boolean;
}

/** Not a frame of this protocol. */
export class BadFrame extends Error {
  override name = 'BadFrame';
}

// Binary frames: a kind, the lengths of the texts (a byte each), an encoding, the texts, the payload.
const PUSH = 3;
const BROADCAST = 4;
const BINARY = 0;
const JSON_TEXT = 1;

/** @throws {BadFrame} */
export function readFrame(version: Version, data: Buffer, isBinary: boolean): Frame {
  if (isBinary) {
    if (version === '1.0.0') throw new BadFrame('version 1.0.0 has no binary frames');
    return readPush(data);
  }
  const value = parse(data.toString());
  const { join_ref, ref, topic, event, payload } =
    version === '2.0.0' && Array.isArray(value)
      ? { join_ref: value[0], ref: value[1], topic: value[2], event: value[3], payload: value[4] }
      : object(value);
  if (typeof topic !== 'string' || typeof event !== 'string') throw new BadFrame('no topic or no event');
  const frame: Frame = { joinRef: text(join_ref), ref: text(ref), topic, event, payload: object(payload) };
  if (event === 'broadcast') frame.broadcast = readBroadcast(frame.payload);
  return frame;
}

function readPush(data: Buffer): Frame {
  if (data.length < 7 || data[0] !== PUSH) throw new BadFrame(`unknown kind of binary frame`);
  let offset = 7;
  const [joinRef, ref, topic, event] = [1, 2, 3, 4, 5].map((place) => {
    const start = offset;
    offset += data[place]!;
    return data.toString('utf8', start, offset);
  }) as [string, string, string, string];
  if (offset > data.length) throw new BadFrame('a binary frame that ends too early');
  const body = data.subarray(offset);
  if (data[6] === JSON_TEXT) parse(body.toString()); // invalid JSON would break every client
  return {
    joinRef: joinRef || null,
    ref: ref || null,
    topic,
    event: 'broadcast',
    payload: {},
    broadcast: { event, payload: data[6] === JSON_TEXT ? body.toString() : body },
  };
}

function readBroadcast(payload: Record<string, unknown>): Broadcast {
  return {
    event: typeof payload.event === 'string' ? payload.event : '',
    payload: JSON.stringify(payload.payload ?? {}),
  };
}

export function writeMessage(
  version: Version,
  { joinRef = null, ref = null, topic, event, payload }: Message,
): string {
  return JSON.stringify(
    version === '2.0.0'
      ? [joinRef, ref, topic, event, payload]
      : { topic, event, payload, ref, join_ref: joinRef },
  );
}

/** @returns undefined if this version can't encode the payload: bytes in 1.0.0. */
export function writeBroadcast(version: Version, topic: string, broadcast: Broadcast): Encoded | undefined {
  const { event, payload, meta } = broadcast;
  if (version === '2.0.0') {
    const names = [topic, event, meta ? JSON.stringify(meta) : ''].map((name) => Buffer.from(name));
    if (names.every((name) => name.length <= 255)) {
      const encoding = typeof payload === 'string' ? JSON_TEXT : BINARY;
      const head = Buffer.from([BROADCAST, ...names.map((name) => name.length), encoding]);
      const body = typeof payload === 'string' ? Buffer.from(payload) : payload;
      return { data: Buffer.concat([head, ...names, body]), isBinary: true };
    }
  }
  if (typeof payload !== 'string') return undefined;
  // The payload is JSON text already, so it is inserted without parsing.
  const body =
    `{"type":"broadcast","event":${JSON.stringify(event)},"payload":${payload}` +
    `${meta ? `,"meta":${JSON.stringify(meta)}` : ''}}`;
  const text =
    version === '2.0.0'
      ? `[null,null,${JSON.stringify(topic)},"broadcast",${body}]`
      : `{"topic":${JSON.stringify(topic)},"event":"broadcast","payload":${body},"ref":null,"join_ref":null}`;
  return { data: Buffer.from(text), isBinary: false };
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new BadFrame('not JSON');
  }
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function text(value: unknown): string | null {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}
