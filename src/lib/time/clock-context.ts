import { createContext } from 'svelte';

/** The current time. Reactive. */
export interface Now {
  /** The server's time, epoch milliseconds. */
  readonly now: number;
  /** The zone for displayed times. */
  readonly zone: string;
}

/** The page's one clock. */
export const [getClock, setClock] = createContext<Now>();
