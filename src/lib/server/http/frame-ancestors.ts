const SOURCE = /^('self'|https?:\/\/(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?)$/i;

/**
 * The sites that may embed the status line, for a header. The setting may contain any text, which could add a directive, so
 * invalid sources are ignored. Without any valid source, only this site may embed it.
 */
export function frameAncestors(setting: unknown): readonly string[] {
  if (typeof setting !== 'string') return ["'self'"];
  if (setting.trim() === "'none'") return [];
  const sources = setting.split(/\s+/).filter((source) => SOURCE.test(source));
  return sources.length > 0 ? sources : ["'self'"];
}
