import { WebSocket } from 'ws';
import { until } from './until.ts';

/** A socket of the Realtime protocol, version 2.0.0, without the client's good manners. */
export interface RawSocket {
  send(frame: unknown): void;
  /** The frames that came, parsed. */
  frames: [joinRef: string | null, ref: string | null, topic: string, event: string, payload: Frame][];
  /** The answer to the frame with this ref. */
  reply(ref: string): Promise<Frame>;
  /** The code with which the socket was closed, once it is. */
  closed(): Promise<number>;
  ws: WebSocket;
}

interface Frame {
  status?: string;
  response?: Record<string, unknown>;
}

export async function rawSocket(
  url: string,
  key: string,
  headers: Record<string, string> = {},
): Promise<RawSocket> {
  const address = `${url.replace('http', 'ws')}/realtime/v1/websocket?apikey=${key}&vsn=2.0.0`;
  const ws = new WebSocket(address, { headers });
  const frames: RawSocket['frames'] = [];
  let code: number | undefined;
  ws.on('message', (data: Buffer, isBinary) => {
    if (!isBinary) frames.push(JSON.parse(data.toString()));
  });
  ws.on('close', (closeCode) => (code = closeCode));
  ws.on('error', () => {});
  await until(() => ws.readyState === ws.OPEN, { what: 'the socket' });
  return {
    ws,
    frames,
    send: (frame) =>
      ws.send(Buffer.isBuffer(frame) || typeof frame === 'string' ? frame : JSON.stringify(frame)),
    reply: (ref) =>
      until(() => frames.find((frame) => frame[1] === ref && frame[3] === 'phx_reply')?.[4], {
        what: `the answer to ${ref}`,
      }),
    closed: () => until(() => code, { what: 'the end of the socket' }),
  };
}
