const NOTICE_LASTS_MS = 2_000;

/** Copies a text, and shows the result for two seconds. */
export class Copying {
  #notice = $state.raw('');
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** "Copied", or the next step if the browser does not allow it. */
  get notice(): string {
    return this.#notice;
  }

  /** @param element contains the text; selected if copying is not allowed or without https */
  async copy(text: string, element?: Element): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.#notice = 'Copied';
    } catch {
      if (element) getSelection()?.selectAllChildren(element);
      this.#notice = element ? 'Selected: copy it with the keyboard' : 'Copying is not allowed here';
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#notice = ''), NOTICE_LASTS_MS);
  }
}
