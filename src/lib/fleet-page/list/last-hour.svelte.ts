import Spark from '../../ui/Spark.svelte';
import { request } from '../../live/requests.ts';
import type { Column, Sparks, Throughput } from '../../rules/history-wire.ts';
import { repeat } from '../../time/repeat.ts';

/** The history has a new value every minute. */
const FRESH_MS = 60_000;
/** Wait for the end of scrolling before a request. */
const REST_MS = 300;
/** Maximum number of workers in a request. */
const AT_MOST = 200;

/** The last hour of the rows in sight and of the fleet. Loaded after the list, in its own chunk. */
export class History {
  /** The component for it, in the same chunk. */
  readonly Spark = Spark;
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- replaced, never changed
  #sparks: ReadonlyMap<number, Column> = $state.raw(new Map());
  #throughput: Column = $state.raw([]);
  #wanted: readonly number[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- times of requests; not rendered
  readonly #askedAt = new Map<number, number>();

  /** Keeps the data up to date until the returned function is called. */
  start(): () => void {
    void this.#readThroughput();
    const stop = repeat(FRESH_MS / 1000, () => Promise.all([this.#readThroughput(), this.#read()]));
    return () => {
      stop();
      clearTimeout(this.#timer);
    };
  }

  /** Sets the workers whose rows are in sight. */
  want(ids: readonly number[]): void {
    this.#wanted = ids;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#read(), REST_MS);
  }

  /** The last hour of one worker; undefined while not loaded. Reactive. */
  of(id: number): Column | undefined {
    return this.#sparks.get(id);
  }

  /** Jobs in each minute of the last hour. Reactive. */
  get throughput(): Column {
    return this.#throughput;
  }

  /** Jobs a minute, over the known minutes of the last hour. */
  get mean(): number | null {
    const known = this.#throughput.filter((jobs) => jobs !== null);
    return known.length === 0 ? null : known.reduce((sum, jobs) => sum + jobs, 0) / known.length;
  }

  async #read(): Promise<void> {
    const now = performance.now();
    const stale = (id: number) => now - (this.#askedAt.get(id) ?? -Infinity) >= FRESH_MS;
    const ids = this.#wanted.filter(stale).slice(0, AT_MOST);
    if (ids.length === 0) return;
    for (const id of ids) this.#askedAt.set(id, now);
    const answer = await requestOrNull<Sparks>(`/api/sparks?ids=${ids.join()}`);
    if (!answer) return;
    // Old rows out of sight are dropped, and requested again when they come back.
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- replaced, never changed
    const kept = this.#sparks.size > 5 * AT_MOST ? new Map<number, Column>() : new Map(this.#sparks);
    for (const [id, column] of Object.entries(answer.jobs)) kept.set(Number(id), column);
    this.#sparks = kept;
  }

  async #readThroughput(): Promise<void> {
    const answer = await requestOrNull<Throughput>('/api/throughput');
    if (answer) this.#throughput = answer.jobs;
  }
}

/** Null on failure: the list works without spark lines. */
async function requestOrNull<T>(path: string): Promise<T | null> {
  return (await request(path).catch(() => null)) as T | null;
}
