import { repeat } from '../../time/repeat.ts';
import { request, troubleOf, type Trouble } from '../../live/requests.ts';
import { readHistory, type History, type Range } from './history.ts';

/** The shortest step is a minute. */
const REFRESH_S = 60;

/** The path of a worker's history. */
export function historyPath(name: string, range: Range, format?: 'csv'): string {
  return `/api/workers/${encodeURIComponent(name)}/history?range=${range}${format ? `&format=${format}` : ''}`;
}

/** The history of one worker over one range, updated while the page is visible. */
export class HistoryView {
  readonly #name: string;
  #history = $state.raw<History | null>(null);
  #range = $state.raw<Range | null>(null);
  #loadedAt = $state.raw(0);
  #trouble = $state.raw<Trouble | null>(null);
  #latest = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** The loaded history; still the old range while the next one loads. */
  get history(): History | null {
    return this.#history;
  }

  /** The range of {@link history}. */
  get range(): Range | null {
    return this.#range;
  }

  /** When it was loaded, epoch seconds. */
  get loadedAt(): number {
    return this.#loadedAt;
  }

  /** Why the last request failed. */
  get trouble(): Trouble | null {
    return this.#trouble;
  }

  /** Loads a range now and every minute, until the returned function is called. */
  follow(range: Range): () => void {
    void this.load(range);
    return repeat(REFRESH_S, () => this.load(range));
  }

  async load(range: Range): Promise<void> {
    const turn = ++this.#latest;
    try {
      const history = readHistory(await request(historyPath(this.#name, range)));
      if (turn !== this.#latest) return; // another range was requested since
      this.#history = history;
      this.#range = range;
      this.#loadedAt = Date.now() / 1000;
      this.#trouble = null;
    } catch (error) {
      if (turn === this.#latest) this.#trouble = troubleOf(error);
    }
  }
}
