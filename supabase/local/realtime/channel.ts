import type { Asker, Authorization } from './authorization.ts';
import { PAYLOAD_LIMIT, payloadSize, type Broadcast } from './broadcast.ts';
import type { Encoded, Frame, Message, Version } from './frames.ts';
import type { Hub, Listener } from './hub.ts';
import type { JoinConfig } from './join-config.ts';
import { expired, TokenRefused, type Claims, type Tokens } from './tokens.ts';

/** The parts of the endpoint that a channel uses. */
export interface Services {
  hub: Hub;
  tokens: Tokens;
  authorization: Authorization;
}

/** The parts of its socket that a channel uses. */
export interface Connection {
  readonly version: Version;
  readonly headers: Record<string, string>;
  /** The claims of the API key. */
  readonly keyClaims: Claims;
  send(message: Message): void;
  deliver(frame: Encoded): void;
  /** Called when the channel ends by itself. */
  ended(channel: Channel): void;
}

/** The longest timer. A token may live for years; hosted also checks again within the hour. */
const LONGEST_TIMER_MS = 3_600_000;

/** A joined channel of one socket: its rights, their expiry, and the answers to its client. */
export class Channel implements Listener {
  readonly topic: string;
  readonly joinRef: string | null;
  readonly isPrivate: boolean;
  readonly #config: JoinConfig;
  readonly #connection: Connection;
  readonly #services: Services;
  #claims: Claims;
  #token: string | undefined;
  #mayWrite: boolean | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #isOpen = false;

  /** Only {@link Channel.join} creates channels. */
  private constructor(
    connection: Connection,
    services: Services,
    frame: Frame,
    config: JoinConfig,
    claims: Claims,
  ) {
    this.topic = frame.topic;
    this.joinRef = frame.joinRef ?? frame.ref;
    this.isPrivate = config.isPrivate;
    this.#config = config;
    this.#connection = connection;
    this.#services = services;
    this.#claims = claims;
    this.#token = config.token;
  }

  /** @throws {JoinRefused} */
  static async join(
    connection: Connection,
    services: Services,
    frame: Frame,
    config: JoinConfig,
  ): Promise<Channel> {
    try {
      const claims = config.token ? await services.tokens.verify(config.token) : connection.keyClaims;
      const channel = new Channel(connection, services, frame, config, claims);
      if (config.isPrivate && !(await services.authorization.mayRead(channel.#asker)))
        throw new JoinRefused(
          `Unauthorized: You do not have permissions to read from this Channel topic: ${channel.name}`,
        );
      return channel;
    } catch (error) {
      if (error instanceof TokenRefused) throw new JoinRefused(`${error.code}: ${error.message}`);
      throw error;
    }
  }

  get version(): Version {
    return this.#connection.version;
  }

  /** The topic's name in the database. */
  get name(): string {
    return this.topic.slice('realtime:'.length);
  }

  /** Call after the join was answered. From then on the channel receives messages. */
  open(): void {
    this.#isOpen = true;
    this.#services.hub.add(this);
    this.#watchExpiry();
  }

  /** Stops all messages. Idempotent. */
  close(): void {
    this.#isOpen = false;
    clearTimeout(this.#expiry);
    this.#services.hub.remove(this);
  }

  deliver(frame: Encoded): void {
    this.#connection.deliver(frame);
  }

  push(event: string, payload: unknown): void {
    this.#connection.send({ joinRef: this.joinRef, topic: this.topic, event, payload });
  }

  system(extension: string, status: 'ok' | 'error', message: string): void {
    this.push('system', { extension, status, message, channel: this.name });
  }

  /** @returns the answer, if any. A forbidden broadcast gets none, as on hosted. */
  async send(broadcast: Broadcast): Promise<{ status: 'ok' | 'error'; response: unknown } | undefined> {
    if (this.isPrivate && !(this.#mayWrite ??= await this.#services.authorization.mayWrite(this.#asker)))
      return undefined;
    const isTooLarge = payloadSize(broadcast) > PAYLOAD_LIMIT;
    if (!isTooLarge)
      this.#services.hub.publish(
        this.topic,
        this.isPrivate,
        broadcast,
        this.#config.wantsOwn ? undefined : this,
      );
    if (!this.#config.wantsAck) return undefined;
    return isTooLarge
      ? { status: 'error', response: { reason: 'payload_size_exceeded' } }
      : { status: 'ok', response: {} };
  }

  /** Takes a newer token. If its rights are too low, the channel ends. */
  async renew(token: unknown): Promise<void> {
    // A client without a session sends its key instead of a token.
    if (typeof token !== 'string' || token === this.#token || token.startsWith('sb_')) return;
    this.#token = token;
    this.#mayWrite = undefined;
    try {
      this.#claims = await this.#services.tokens.verify(token);
    } catch (error) {
      if (!(error instanceof TokenRefused)) throw error;
      return this.#shutDown(error.message);
    }
    if (this.isPrivate && !(await this.#services.authorization.mayRead(this.#asker)))
      return this.#shutDown(`You do not have permissions to read from this Channel topic: ${this.name}`);
    this.#watchExpiry();
  }

  get #asker(): Asker {
    return { topic: this.name, claims: this.#claims, headers: this.#connection.headers };
  }

  #watchExpiry(): void {
    clearTimeout(this.#expiry);
    const { exp } = this.#claims;
    if (exp === undefined || !this.#isOpen) return;
    const left = exp * 1000 - Date.now();
    if (left <= 0) return this.#shutDown(expired(exp).message);
    this.#expiry = setTimeout(() => this.#watchExpiry(), Math.min(left, LONGEST_TIMER_MS));
    this.#expiry.unref();
  }

  #shutDown(why: string): void {
    this.system('system', 'error', why);
    this.close();
    this.#connection.ended(this);
  }
}

/** The answer to a rejected join. */
export class JoinRefused extends Error {
  override name = 'JoinRefused';
}
