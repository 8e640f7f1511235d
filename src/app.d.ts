import type { Session } from '$lib/server/auth/session.ts';

declare global {
  namespace App {
    interface Error {
      message: string;
      /** The cause, and what to do about it. */
      advice?: string;
      /** A command to type, or the original message. */
      command?: string;
      /** Offer to sign out, because another account may have access. */
      signOut?: boolean;
    }
    interface Locals {
      session: Session;
      /** Sites that may show this response in a frame, as CSP sources. None by default. */
      frameAncestors: readonly string[];
    }
  }
}

export {};
