import { request, troubleOf, type Trouble } from '../../live/requests.ts';
import { repeat } from '../../time/repeat.ts';
import { joined, logPath, readLines, readNews, wantedOf, type Line, type Wanted } from './lines.ts';

/**
 * Where new lines come from: the worker's channel. `hear` is called with what came as it is, and with nothing when
 * something may have been missed. Returns what ends it.
 */
export type Subscribe = (listener: (news?: unknown) => void) => () => void;

/** What is heard may be lost; so it is asked for, too. Without a channel asking is all there is. */
const ASK_S = { beside: 30, alone: 5 };
/** While somebody reads further up, so many lines more are kept before theirs are let go. */
const KEPT_FOR_READER = 500;

/** The last lines of one worker's log, as somebody wants to see them. */
export class LogView {
  readonly #name: string;
  #wanted: Wanted;
  #lines = $state.raw<readonly Line[]>([]);
  #more = $state.raw(false);
  #loaded = $state.raw(false);
  #trouble = $state.raw<Trouble | null>(null);
  /** What is being asked for at the moment, and whether it is to be asked for once more then. */
  #asking: Wanted | null = null;
  #askAgain = false;
  /** The last line that a message told of. */
  #receivedTo: number | null = null;

  constructor(name: string, wanted: Wanted) {
    this.#name = name;
    this.#wanted = wanted;
  }

  /** The oldest first. */
  get lines(): readonly Line[] {
    return this.#lines;
  }

  /** Whether there are older ones. */
  get more(): boolean {
    return this.#more;
  }

  /** Whether the lines are those that are wanted; false while they are on their way. */
  get loaded(): boolean {
    return this.#loaded;
  }

  /** Why the last try brought nothing. */
  get trouble(): Trouble | null {
    return this.#trouble;
  }

  /** Whether somebody reads further up, so that old lines must stay where they are. */
  reading = false;

  /** Shows something else of the log. */
  show(wanted: Wanted): void {
    this.#wanted = wanted;
    this.#loaded = false;
    void this.load();
  }

  /** Asks for the lines; while an answer is on its way, once more when it has come. */
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
      if (wanted !== this.#wanted) return; // something else was wanted meanwhile
      if (typeof found === 'string') this.#trouble = found;
      else this.#take(found, wanted.amount);
    } while (this.#askAgain);
    this.#asking = null;
  }

  #take({ lines, more }: { lines: readonly Line[]; more: boolean }, amount: number): void {
    const last = lines.at(-1)?.id ?? 0;
    // What was heard since it was asked is newer than the answer.
    const received = this.#loaded ? this.#lines.filter(({ id }) => id > last || this.reading) : [];
    this.#lines = joined(received, lines, this.#room(amount));
    this.#more = more || this.#lines.length > amount;
    this.#loaded = true;
    this.#trouble = null;
  }

  /** Follows the log until the returned function is called. */
  follow(subscribe: Subscribe | undefined): () => void {
    // What came while it was not followed; the first lines are on their way already.
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
