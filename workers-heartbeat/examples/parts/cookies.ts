/**
 * The cookies of one site, by name. `npm run dev` signs in every visitor without a session; with these cookies, the
 * crawler gets one session, and not one for every page.
 */
export class Cookies {
  readonly #values = new Map<string, string>();

  /** The headers of a request. */
  get headers(): Record<string, string> {
    const cookie = [...this.#values].map(([name, value]) => `${name}=${value}`).join('; ');
    return cookie ? { cookie } : {};
  }

  /** Stores the cookies that a response sets, and removes those that it expires. */
  keep(response: Response): void {
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^\s*([^=;]+)=([^;]*)/.exec(line) ?? [];
      if (name === undefined || value === undefined) continue;
      if (/;\s*max-age=(0|-)/i.test(line)) this.#values.delete(name);
      else this.#values.set(name, value);
    }
  }
}
