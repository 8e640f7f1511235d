import type { StackAddress } from '../stack.ts';

/**
 * Tells the page what to type when a sample is dead: where its environment is kept depends on the port, so that the
 * seed cannot. What somebody has put there themselves stays.
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
    throw new Error(`The groups could not be told how to start a worker: ${await response.text()}`);
}
