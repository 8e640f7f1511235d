/**
 * The cookies of one site, name by name. A site that begins a session for every visitor without one (`npm run dev`
 * signs its visitor in) begins one for the crawler and not one for every page.
 */
export class Cookies {
  readonly #values = new Map<string, string>();

  /** What to send with a request. */
  get headers(): Record<string, string> {
    const cookie = [...this.#values].map(([name, value]) => `${name}=${value}`).join('; ');
    return cookie ? { cookie } : {};
  }

  /** Takes over what a response sets, and drops what it takes back. */
  keep(response: Response): void {
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^\s*([^=;]+)=([^;]*)/.exec(line) ?? [];
      if (name === undefined || value === undefined) continue;
      if (/;\s*max-age=(0|-)/i.test(line)) this.#values.delete(name);
      else this.#values.set(name, value);
    }
  }
}
