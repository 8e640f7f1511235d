import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { StackAddress } from '../stack.ts';
import { startChild, type Child } from './child.ts';
import type { Outcome, Start } from './vite.ts';

export interface Dashboard {
  child: Child;
  /** Resolves with its address once it answers; rejects if it cannot start. */
  serve(port: number, stack: StackAddress): Promise<string>;
}

/** Loads the dashboard's development server. `serve` starts it with the stack's address. */
export function loadDashboard(say: (line: string) => void): Dashboard {
  const child = startChild(fileURLToPath(new URL('./vite.ts', import.meta.url)), {}, say);
  return {
    child,
    async serve(port, { url, publishableKey, owner }) {
      const start: Start = {
        port,
        env: {
          PUBLIC_SUPABASE_URL: url,
          PUBLIC_SUPABASE_PUBLISHABLE_KEY: publishableKey,
          DEV_OWNER_EMAIL: owner.email,
          DEV_OWNER_PASSWORD: owner.password,
        },
      };
      child.process.send(start);
      const result = await Promise.race([
        once(child.process, 'message').then(([message]) => message as Outcome),
        child.ended.then((why): Outcome => ({ failed: why })),
      ]);
      if ('failed' in result) throw new Error(`The dashboard cannot start: ${result.failed}`);
      return result.serving;
    },
  };
}

/**
 * Requests the page and everything that it loads, so that the first visitor does not wait for Vite to compile. Errors are
 * ignored, because the browser shows them again.
 */
export async function warmUp(address: string): Promise<void> {
  const seen = new Set<string>();
  const visit = async (path: string): Promise<void> => {
    if (seen.has(path)) return;
    seen.add(path);
    const response = await fetch(new URL(path, address), { signal: AbortSignal.timeout(20_000) });
    const text = await response.text();
    await Promise.all(linked(text, response.headers.get('content-type') ?? '').map(visit));
  };
  await visit('/').catch(() => {});
}

/** Absolute paths of the modules and styles that a page or a Vite module loads. */
function linked(text: string, type: string): string[] {
  const pattern = type.startsWith('text/html')
    ? /(?:src|href)="(\/[^"]+\.(?:js|mjs|ts|css)[^"]*)"|import\("(\/[^"]+)"\)/g
    : /(?:from|import)\s*\(?"(\/[^"]+)"/g;
  return [...text.matchAll(pattern)].map((match) => match[1] ?? match[2]!);
}
