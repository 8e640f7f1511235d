import type { Session } from '$lib/server/auth/session.ts';

declare global {
  namespace App {
    interface Error {
      message: string;
      /** What stands in the way, and what to do about it. */
      advice?: string;
      /** What to type for that, or what was said. */
      command?: string;
      /** Another account may have better luck. */
      signOut?: boolean;
    }
    interface Locals {
      session: Session;
      /** Who may show this answer in a frame, as sources of a CSP; nobody, unless its route says so. */
      frameAncestors: readonly string[];
    }
  }
}

export {};
