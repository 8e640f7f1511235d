/** What the server answers to a form: the record of what was asked, or why not. */
export interface FormAnswer {
  /** For `readCommand`. */
  readonly command?: unknown;
  readonly message?: string;
  readonly hint?: string | null;
}
