const SOURCE = /^('self'|https?:\/\/(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?)$/i;

/**
 * What a header may say of who embeds the status line. A setting may have been written by anybody with the secret key, and a
 * word too many would be another directive: one that is no source counts as none, and without any only this site itself may.
 */
export function frameAncestors(setting: unknown): readonly string[] {
  if (typeof setting !== 'string') return ["'self'"];
  if (setting.trim() === "'none'") return [];
  const sources = setting.split(/\s+/).filter((source) => SOURCE.test(source));
  return sources.length > 0 ? sources : ["'self'"];
}
