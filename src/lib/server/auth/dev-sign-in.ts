import { env } from '$env/dynamic/private';
import type { RequestEvent } from '@sveltejs/kit';

const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]'];
const LOOPBACK_ADDRESSES = ['127.0.0.1', '::1', '::ffff:127.0.0.1'];

/**
 * Signs in the local owner, so that `npm run dev` shows the fleet at once. Only for a loopback name and a loopback address, so
 * that neither another machine nor a foreign name that points to 127.0.0.1 gets access. Imported under `import.meta.env.DEV`
 * only: a production build does not contain this file.
 *
 * @returns whether a person is signed in now
 */
export async function signInAsLocalOwner({ url, locals, getClientAddress }: RequestEvent): Promise<boolean> {
  const { DEV_OWNER_EMAIL: email, DEV_OWNER_PASSWORD: password } = env;
  if (!email || !password) return false;
  if (!LOOPBACK_HOSTS.includes(url.hostname) || !LOOPBACK_ADDRESSES.includes(getClientAddress()))
    return false;
  try {
    await locals.session.begin(email, password);
    return true;
  } catch {
    return false; // the sign-in page shows the cause
  }
}
