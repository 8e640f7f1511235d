export type Theme = 'system' | 'light' | 'dark';

const MUTED = 'lastseen:muted';

/** What one person likes, in this browser. */
export class Preferences {
  #muted = $state.raw(read());
  #theme: Theme = $state.raw((document.documentElement.dataset.theme as Theme | undefined) ?? 'system');

  /** No notices of what happens. */
  get muted(): boolean {
    return this.#muted;
  }

  set muted(muted: boolean) {
    this.#muted = muted;
    try {
      if (muted) localStorage.setItem(MUTED, '1');
      else localStorage.removeItem(MUTED);
    } catch {
      // A browser that keeps nothing: it holds for this page.
    }
  }

  get theme(): Theme {
    return this.#theme;
  }

  /** A cookie: the server writes it into the next page, which then never shows in the other theme first. */
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
