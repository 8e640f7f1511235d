/** The result of one check. */
export interface Finding {
  /** `trouble` makes the exit code 1; `skipped` was not checked. */
  level: 'fine' | 'warning' | 'trouble' | 'skipped';
  /** The subject: "the tick". */
  about: string;
  says: string;
  /** Steps to fix it, one a line. SQL is for the SQL editor. */
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

/** The step that restores missing or changed objects of ours. */
export const SET_UP =
  'Run supabase/setup.sql in the SQL editor, or: npx supabase db push. Both can be repeated.';
