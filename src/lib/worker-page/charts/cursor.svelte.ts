/** The selected step, by index. All charts of a page share it. */
export class Cursor {
  #index = $state.raw<number | null>(null);
  #byKey = false;

  get index(): number | null {
    return this.#index;
  }

  /** Moves by key, or selects the newest step first. Stays on the chart. */
  move(by: number, count: number): void {
    const from = this.#index ?? (Number.isFinite(by) ? count - 1 - by : 0);
    this.#byKey = true;
    this.#index = Math.min(count - 1, Math.max(0, from + by));
  }

  /** Selects by pointer. A leaving pointer does not clear a selection made by key. */
  point(index: number | null): void {
    if (index === null && this.#byKey) return;
    this.#byKey = false;
    this.#index = index;
  }

  /** Clears the selection. */
  leave(): void {
    this.#byKey = false;
    this.#index = null;
  }
}
