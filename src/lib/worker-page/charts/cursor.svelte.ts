/** The step that somebody reads, by index: the same in all charts of a page, which share their steps. */
export class Cursor {
  #index = $state.raw<number | null>(null);
  #byKey = false;

  get index(): number | null {
    return this.#index;
  }

  /** By key: so many steps on, or to the newest where nothing was read yet. Stays on the chart. */
  move(by: number, count: number): void {
    const from = this.#index ?? (Number.isFinite(by) ? count - 1 - by : 0);
    this.#byKey = true;
    this.#index = Math.min(count - 1, Math.max(0, from + by));
  }

  /** By pointer. That it has left, or that the page was moved under it, takes nothing from who reads by key. */
  point(index: number | null): void {
    if (index === null && this.#byKey) return;
    this.#byKey = false;
    this.#index = index;
  }

  /** Reads nothing any more. */
  leave(): void {
    this.#byKey = false;
    this.#index = null;
  }
}
