import { env } from '$env/dynamic/public';
import { error } from '@sveltejs/kit';
import type { RealtimeAddress } from '$lib/realtime/supabase.ts';

/**
 * Which Supabase project this dashboard shows. Read at run time, so that one build serves any project.
 *
 * @throws the error page that names the missing variables
 */
export function configuration(): RealtimeAddress {
  const url = env.PUBLIC_SUPABASE_URL?.replace(/\/+$/, '');
  const publishableKey = env.PUBLIC_SUPABASE_PUBLISHABLE_KEY;
  if (url && publishableKey) return { url, publishableKey };

  const missing = [
    !url && 'PUBLIC_SUPABASE_URL',
    !publishableKey && 'PUBLIC_SUPABASE_PUBLISHABLE_KEY',
  ].filter(Boolean);
  error(503, {
    message: 'The dashboard does not know its Supabase project',
    advice: 'Set it in the environment of the dashboard, as given under Project Settings, API Keys. Not set:',
    command: missing.join('\n'),
  });
}
