import { request, troubleOf, type Trouble } from '../../live/requests.ts';
import { repeat } from '../../time/repeat.ts';
import { joined, logPath, readLines, readNews, wantedOf, type Line, type Wanted } from './lines.ts';

/**
 * Subscribes to the worker's channel. `listener` is called with each raw message, and without one when messages may have been
 * missed. Returns a function that unsubscribes.
 */
export type Subscribe = (listener: (news?: unknown) => void) => () => void;

/** Seconds between requests. Messages may get lost, so the page also requests lines; without a channel, more often. */
const ASK_S = { beside: 30, alone: 5 };
/** While the reader has scrolled up, this many more lines stay in the page. */
const KEPT_FOR_READER = 500;

/** The last lines of one worker's log, filtered. */
export class LogView {
  readonly #name: string;
  #wanted: Wanted;
  #lines = $state.raw<readonly Line[]>([]);
  #more = $state.raw(false);
  #loaded = $state.raw(false);
  #trouble = $state.raw<Trouble | null>(null);
  /** The current request, and whether to repeat it afterwards. */
  #asking: Wanted | null = null;
  #askAgain = false;
  /** The last line of the last message. */
  #receivedTo: number | null = null;

  constructor(name: string, wanted: Wanted) {
    this.#name = name;
    this.#wanted = wanted;
  }

  /** The oldest first. */
  get lines(): readonly Line[] {
    return this.#lines;
  }

  /** Whether there are older lines. */
  get more(): boolean {
    return this.#more;
  }

  /** Whether the lines match the current filter; false while they load. */
  get loaded(): boolean {
    return this.#loaded;
  }

  /** Why the last request failed. */
  get trouble(): Trouble | null {
    return this.#trouble;
  }

  /** Whether the reader has scrolled up, so that old lines must stay. */
  reading = false;

  /** Changes the filter. */
  show(wanted: Wanted): void {
    this.#wanted = wanted;
    this.#loaded = false;
    void this.load();
  }

  /** Requests the lines. During a request, repeats it afterwards. */
  async load(): Promise<void> {
    const wanted = this.#wanted;
    if (this.#asking === wanted) {
      this.#askAgain = true;
      return;
    }
    this.#asking = wanted;
    do {
      this.#askAgain = false;
      const found = await request(logPath(this.#name, wanted)).then(readLines).catch(troubleOf);
      if (wanted !== this.#wanted) return; // the filter has changed meanwhile
      if (typeof found === 'string') this.#trouble = found;
      else this.#take(found, wanted.amount);
    } while (this.#askAgain);
    this.#asking = null;
  }

  #take({ lines, more }: { lines: readonly Line[]; more: boolean }, amount: number): void {
    const last = lines.at(-1)?.id ?? 0;
    // Lines that arrived since the request are newer than the response.
    const received = this.#loaded ? this.#lines.filter(({ id }) => id > last || this.reading) : [];
    this.#lines = joined(received, lines, this.#room(amount));
    this.#more = more || this.#lines.length > amount;
    this.#loaded = true;
    this.#trouble = null;
  }

  /** Follows the log until the returned function is called. */
  follow(subscribe: Subscribe | undefined): () => void {
    // Load lines from the time without following; the first lines are loading already.
    if (this.#loaded) void this.load();
    const end = subscribe?.((news) => this.#receive(news));
    const stop = repeat(subscribe ? ASK_S.beside : ASK_S.alone, () => this.load());
    return () => {
      stop();
      end?.();
      this.#receivedTo = null;
    };
  }

  #receive(wire: unknown): void {
    const { after, to, lines } = readNews(wire);
    const missed =
      lines === null || (after !== null && this.#receivedTo !== null && after > this.#receivedTo);
    this.#receivedTo = to ?? this.#receivedTo;
    if (lines && this.#loaded) {
      const before = this.#lines.length;
      this.#lines = joined(this.#lines, wantedOf(lines, this.#wanted), this.#room(this.#wanted.amount));
      if (before + lines.length > this.#wanted.amount) this.#more = true;
    }
    if (missed || !this.#loaded) void this.load();
  }

  #room(amount: number): number {
    return this.reading ? amount + KEPT_FOR_READER : amount;
  }
}
