import type { WebSocket } from 'ws';
import { Channel, JoinRefused, type Connection, type Services } from './channel.ts';
import {
  BadFrame,
  readFrame,
  writeMessage,
  type Encoded,
  type Frame,
  type Message,
  type Version,
} from './frames.ts';
import { readJoinConfig } from './join-config.ts';
import type { Claims } from './tokens.ts';

export interface SocketOptions {
  version: Version;
  keyClaims: Claims;
  headers: Record<string, string>;
  services: Services;
  log: (line: string) => void;
}

/** @see https://supabase.com/docs/guides/realtime/limits */
const CHANNEL_LIMIT = 100;
/** Clients send a heartbeat every 25 s. */
const IDLE_LIMIT_MS = 60_000;
/** Limit of unread bytes. A client beyond it is disconnected, so that it can't use up memory. */
const UNREAD_LIMIT = 16_000_000;
/** Limit of frames that are read but not handled. Beyond it, reading from the network pauses. */
const BACKLOG_LIMIT = 64;

/**
 * One client. Its frames are handled one after the other, so a leave cannot overtake its join, and a client that sends
 * thousands delays only itself.
 */
export class Socket implements Connection {
  readonly version: Version;
  readonly headers: Record<string, string>;
  readonly keyClaims: Claims;
  readonly #ws: WebSocket;
  readonly #services: Services;
  readonly #log: (line: string) => void;
  readonly #channels = new Map<string, Channel>();
  readonly #idle: NodeJS.Timeout;
  #backlog: Promise<void> = Promise.resolve();
  #waiting = 0;
  #changes = 0;

  constructor(ws: WebSocket, { version, keyClaims, headers, services, log }: SocketOptions) {
    this.version = version;
    this.keyClaims = keyClaims;
    this.headers = headers;
    this.#ws = ws;
    this.#services = services;
    this.#log = log;
    this.#idle = setTimeout(() => ws.terminate(), IDLE_LIMIT_MS);
    this.#idle.unref();
    ws.on('message', (data, isBinary) => this.#receive(data as Buffer, isBinary));
    ws.on('close', () => this.#end());
    ws.on('error', () => {}); // a frame is too large or invalid; `close` follows
  }

  send(message: Message): void {
    this.#send(writeMessage(this.version, message), false);
  }

  deliver({ data, isBinary }: Encoded): void {
    this.#send(data, isBinary);
  }

  #send(data: string | Buffer, binary: boolean): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    if (this.#ws.bufferedAmount > UNREAD_LIMIT) this.#ws.terminate();
    else this.#ws.send(data, { binary });
  }

  ended(channel: Channel): void {
    if (this.#channels.get(channel.topic) !== channel) return;
    this.#channels.delete(channel.topic);
    this.#farewell(channel);
  }

  #end(): void {
    clearTimeout(this.#idle);
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  #receive(data: Buffer, isBinary: boolean): void {
    this.#idle.refresh();
    if (++this.#waiting > BACKLOG_LIMIT) this.#ws.pause();
    this.#backlog = this.#backlog.then(async () => {
      try {
        if (this.#ws.readyState === this.#ws.OPEN)
          await this.#handle(readFrame(this.version, data, isBinary));
      } catch (error) {
        if (!(error instanceof BadFrame)) this.#log(`Realtime: ${(error as Error).message}`);
        this.#ws.close(error instanceof BadFrame ? 1007 : 1011);
      }
      if (--this.#waiting === 0 && this.#ws.isPaused) this.#ws.resume();
    });
  }

  async #handle(frame: Frame): Promise<void> {
    const { topic, event } = frame;
    if (topic === 'phoenix' && event === 'heartbeat') return this.#reply(frame, 'ok', {});
    if (event === 'phx_join') return this.#join(frame);
    const channel = this.#channels.get(topic);
    if (event === 'phx_leave') {
      if (channel && isOf(frame, channel)) this.#leave(channel, frame);
      else this.#reply(frame, 'ok', {});
      return;
    }
    if (!channel || !isOf(frame, channel)) return this.#reply(frame, 'error', { reason: 'unmatched topic' });
    if (frame.broadcast) {
      const answer = await channel.send(frame.broadcast);
      if (answer) this.#reply(frame, answer.status, answer.response);
    } else if (event === 'access_token') {
      await channel.renew(frame.payload.access_token);
    } else if (event === 'presence') {
      this.#reply(frame, 'error', { reason: 'Presence is not part of the embedded stack' });
    }
  }

  async #join(frame: Frame): Promise<void> {
    const { topic } = frame;
    if (!topic.startsWith('realtime:')) return this.#reply(frame, 'error', { reason: 'unmatched topic' });
    const refuse = (reason: string) => this.#reply(frame, 'error', { reason });
    if (topic === 'realtime:') return refuse('TopicNameRequired: You must provide a topic name');
    const previous = this.#channels.get(topic);
    if (previous) {
      // A second join replaces the first.
      this.#channels.delete(topic);
      previous.close();
      this.#farewell(previous);
    }
    if (this.#channels.size >= CHANNEL_LIMIT) return refuse('ChannelRateLimitReached: Too many channels');
    const config = readJoinConfig(frame.payload);
    let channel: Channel;
    try {
      channel = await Channel.join(this, this.#services, frame, config);
    } catch (error) {
      if (error instanceof JoinRefused) return refuse(error.message);
      this.#log(`Realtime: ${topic} cannot be joined: ${(error as Error).message}`);
      return refuse('UnknownErrorOnChannel: Unknown Error on Channel');
    }
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    this.#channels.set(topic, channel);
    const changes = config.postgresChanges.map((change) => ({ ...change, id: ++this.#changes }));
    this.#reply(frame, 'ok', { postgres_changes: changes });
    channel.open();
    if (config.wantsPresence) channel.push('presence_state', {});
    if (config.wantsReady) channel.system('system', 'ok', 'Replication connection established');
    if (changes.length > 0)
      channel.system('postgres_changes', 'error', 'Postgres Changes are not part of the embedded stack');
  }

  #leave(channel: Channel, frame: Frame): void {
    this.#channels.delete(channel.topic);
    channel.close();
    this.#reply(frame, 'ok', {});
    this.#farewell(channel);
  }

  /** With the join's ref, because the client ignores other `phx_close` messages. */
  #farewell({ topic, joinRef }: Channel): void {
    this.send({ joinRef, ref: joinRef, topic, event: 'phx_close', payload: {} });
  }

  #reply({ joinRef, ref, topic }: Frame, status: 'ok' | 'error', response: unknown): void {
    this.send({ joinRef, ref, topic, event: 'phx_reply', payload: { status, response } });
  }
}

/** False for a late frame of an earlier join. */
function isOf({ joinRef }: Frame, channel: Channel): boolean {
  return joinRef === null || joinRef === channel.joinRef;
}
