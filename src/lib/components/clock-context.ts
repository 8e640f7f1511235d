import { createContext } from 'svelte';
import type { Clock } from '../time/clock.svelte.ts';

/** The page's one clock. Set by the page, read by whatever ages. */
export const [getClock, setClock] = createContext<Clock>();
