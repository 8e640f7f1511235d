export type Theme = 'system' | 'light' | 'dark';

const MUTED = 'lastseen:muted';

/** One person's preferences in this browser. */
export class Preferences {
  #muted = $state.raw(read());
  #theme: Theme = $state.raw((document.documentElement.dataset.theme as Theme | undefined) ?? 'system');

  /** Whether notices are off. */
  get muted(): boolean {
    return this.#muted;
  }

  set muted(muted: boolean) {
    this.#muted = muted;
    try {
      if (muted) localStorage.setItem(MUTED, '1');
      else localStorage.removeItem(MUTED);
    } catch {
      // Without storage, the setting applies to this page only.
    }
  }

  get theme(): Theme {
    return this.#theme;
  }

  /** Stored in a cookie, so that the server renders the next page in this theme at once. */
  set theme(theme: Theme) {
    this.#theme = theme;
    const { dataset } = document.documentElement;
    const age = theme === 'system' ? 0 : 31_536_000;
    if (theme === 'system') delete dataset.theme;
    else dataset.theme = theme;
    document.cookie = `theme=${theme}; path=/; max-age=${age}; samesite=lax`;
  }
}

function read(): boolean {
  try {
    return localStorage.getItem(MUTED) !== null;
  } catch {
    return false;
  }
}
