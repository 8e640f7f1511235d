import type { Session } from '$lib/server/session.ts';

declare global {
  namespace App {
    interface Error {
      message: string;
      /** What stands in the way; the error page knows what to do about each. */
      kind?: 'not-configured' | 'unreachable' | 'migrations-missing' | 'not-a-member' | 'broken';
      /** Which variables, which address, what the database said. */
      detail?: string;
    }
    interface Locals {
      session: Session;
    }
  }
}

export {};
