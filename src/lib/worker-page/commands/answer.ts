/** The server's answer to a form: the recorded command, or the error. */
export interface FormAnswer {
  /** For `readCommand`. */
  readonly command?: unknown;
  readonly message?: string;
  readonly hint?: string | null;
}
