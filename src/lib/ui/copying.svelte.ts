const NOTICE_LASTS_MS = 2_000;

/** Copies a text, and says for two seconds what came of it. */
export class Copying {
  #notice = $state.raw('');
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** "Copied", or what to do where the browser does not let us. */
  get notice(): string {
    return this.#notice;
  }

  /** @param element holds the text; where copying is not allowed (or not over https) it is selected, a key press away */
  async copy(text: string, element?: Element): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.#notice = 'Copied';
    } catch {
      if (element) getSelection()?.selectAllChildren(element);
      this.#notice = element ? 'Selected: copy it with the keyboard' : 'Not allowed here';
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#notice = ''), NOTICE_LASTS_MS);
  }
}
