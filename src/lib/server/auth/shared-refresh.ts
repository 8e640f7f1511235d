/** What Supabase Auth allows by default: for so long a refresh token that was used may be used once more. */
const REMEMBERED_MS = 10_000;

const answers = new Map<string, Promise<Response>>();

/**
 * Renews a session once, however many requests of one page come with the same refresh token at the same time. Each would
 * renew it by itself otherwise, and the browser keep whichever cookie comes last: perhaps one that Auth has given up
 * meanwhile, and then takes for stolen, which ends the session.
 *
 * @param refreshToken the body of the request, which holds it
 * @param renew asks Auth
 */
export async function shareRefresh(refreshToken: string, renew: () => Promise<Response>): Promise<Response> {
  const known = answers.get(refreshToken);
  if (known) return (await known).clone();
  const asked = renew();
  answers.set(refreshToken, asked);
  const forget = () => answers.delete(refreshToken);
  // What failed is asked anew by the next one.
  asked.then((answer) => (answer.ok ? setTimeout(forget, REMEMBERED_MS).unref() : forget()), forget);
  return (await asked).clone();
}
