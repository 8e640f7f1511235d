import { env as hidden } from '$env/dynamic/private';
import { env } from '$env/dynamic/public';
import { error } from '@sveltejs/kit';
import { readEnvironment, type Environment } from './environment.ts';

// An environment does not change while a server runs.
let read: ReturnType<typeof readEnvironment> | undefined;
const checked = () => (read ??= readEnvironment({ ...hidden, ...env }));

/**
 * The Supabase project of this dashboard. Read at run time, so that one build works for any project.
 *
 * @throws the error page that names each variable that is missing or wrong
 */
export function configuration(): Environment {
  const { environment, problems } = checked();
  if (environment) return environment;
  error(503, {
    message: 'The dashboard is not connected to a Supabase project',
    advice:
      'Fix the environment variables of the dashboard. Supabase shows the values under Project Settings → Data API and API Keys.',
    command: problems.map(({ name, says }) => `${name} ${says}`).join('\n'),
  });
}

/** The origins that a page may connect to: the project and its Realtime. Empty without a valid configuration. */
export function projectOrigins(): string[] {
  const { environment } = checked();
  if (!environment) return [];
  const { origin } = new URL(environment.url);
  return [origin, origin.replace(/^http/, 'ws')];
}

/** One line for each variable that is missing or looks wrong, for the server's log. */
export function complaints(): string[] {
  return checked().problems.map(({ name, says }) => `${name} ${says}.`);
}
