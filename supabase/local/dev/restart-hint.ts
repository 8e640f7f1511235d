import type { StackAddress } from '../stack.ts';

/**
 * Stores the command that starts a sample again, for the page to show. The command depends on the port, so the seed can't
 * contain it. A hint that a person has set stays.
 *
 * @param command with `{worker_name}` in it
 */
export async function giveRestartHint(stack: StackAddress, command: string): Promise<void> {
  const groups = new URL('/rest/v1/hp_worker_group', stack.url);
  groups.searchParams.set('worker_type', 'in.(content,research)');
  groups.searchParams.set('restart_hint', 'is.null');
  const response = await fetch(groups, {
    method: 'PATCH',
    headers: { apikey: stack.secretKey, 'content-type': 'application/json' },
    body: JSON.stringify({ restart_hint: command }),
  });
  if (!response.ok)
    throw new Error(`The restart hint could not be stored in hp_worker_group: ${await response.text()}`);
}
