/** What one check found. */
export interface Finding {
  /** `trouble` makes the exit code 1; `skipped` could not be looked at. */
  level: 'fine' | 'warning' | 'trouble' | 'skipped';
  /** What was looked at: "the tick". */
  about: string;
  says: string;
  /** What to do about it, a line at a time; SQL goes into the SQL editor. */
  todo?: string[];
}

export const fine = (about: string, says: string): Finding => ({ level: 'fine', about, says });
export const warning = (about: string, says: string, ...todo: string[]): Finding => ({
  level: 'warning',
  about,
  says,
  todo,
});
export const trouble = (about: string, says: string, ...todo: string[]): Finding => ({
  level: 'trouble',
  about,
  says,
  todo,
});
export const skipped = (about: string, says: string): Finding => ({ level: 'skipped', about, says });

/** What puts back whatever of ours is missing or was changed. */
export const SET_UP =
  'Run supabase/setup.sql in the SQL editor, or: npx supabase db push. Both may be run again.';
