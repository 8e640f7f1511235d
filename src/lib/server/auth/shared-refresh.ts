/** Supabase Auth's default: a used refresh token may be used again within this time. */
const REMEMBERED_MS = 10_000;

const answers = new Map<string, Promise<Response>>();

/**
 * Renews a session once for all simultaneous requests with the same refresh token. Otherwise each request would renew it, and the
 * browser would keep the last cookie, which Auth may have replaced already. Auth then treats it as stolen, and ends the
 * session.
 *
 * @param refreshToken the body of the request with the token
 * @param renew sends the request to Auth
 */
export async function shareRefresh(refreshToken: string, renew: () => Promise<Response>): Promise<Response> {
  const known = answers.get(refreshToken);
  if (known) return (await known).clone();
  const asked = renew();
  answers.set(refreshToken, asked);
  const forget = () => answers.delete(refreshToken);
  // After a failure, the next request tries again.
  asked.then((answer) => (answer.ok ? setTimeout(forget, REMEMBERED_MS).unref() : forget()), forget);
  return (await asked).clone();
}
