import { createContext } from 'svelte';

/** The time by which something ages. Reactive. */
export interface Now {
  /** The server's time, epoch milliseconds. */
  readonly now: number;
  /** The zone to give instants in. */
  readonly zone: string;
}

/** The page's one clock, set by the page and read by whatever ages. */
export const [getClock, setClock] = createContext<Now>();
