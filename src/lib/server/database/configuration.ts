import { env as hidden } from '$env/dynamic/private';
import { env } from '$env/dynamic/public';
import { error } from '@sveltejs/kit';
import { readEnvironment, type Environment } from './environment.ts';

// An environment does not change while a server runs.
let read: ReturnType<typeof readEnvironment> | undefined;
const judged = () => (read ??= readEnvironment({ ...hidden, ...env }));

/**
 * Which Supabase project this dashboard shows. Read at run time, so that one build serves any project.
 *
 * @throws the error page that names each variable that is missing or wrong
 */
export function configuration(): Environment {
  const { environment, problems } = judged();
  if (environment) return environment;
  error(503, {
    message: 'The dashboard is not connected to a Supabase project',
    advice:
      'Fix the environment variables of the dashboard. Supabase shows the values under Project Settings → Data API and API Keys.',
    command: problems.map(({ name, says }) => `${name} ${says}`).join('\n'),
  });
}

/** Where a page may connect to: the project, and its Realtime. None while it is not known. */
export function projectOrigins(): string[] {
  const { environment } = judged();
  if (!environment) return [];
  const { origin } = new URL(environment.url);
  return [origin, origin.replace(/^http/, 'ws')];
}

/** One line for each variable that is missing or looks wrong, for the server's log. */
export function complaints(): string[] {
  return judged().problems.map(({ name, says }) => `${name} ${says}.`);
}
