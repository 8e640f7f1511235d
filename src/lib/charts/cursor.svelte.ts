/** The step that somebody reads, by index: the same in all charts of a page, which share their steps. */
export class Cursor {
  index = $state.raw<number | null>(null);

  /** Moves by so many steps, from the newest where nothing was read yet, and stays on the chart. */
  move(by: number, count: number): void {
    this.index = Math.min(count - 1, Math.max(0, (this.index ?? count - 1 - by) + by));
  }
}
