/** What a template may ask for, as `{job_id}`. */
export interface JobFields {
  readonly job_id: string;
  readonly worker_name: string;
  readonly job_type: string | null;
}

/**
 * The address of a job, from the template of its group: `https://example.com/jobs/{job_id}?by={worker_name}`.
 *
 * The template is an operator's, the job's id is whatever its worker says: it is encoded, and fills a place but does not
 * change the way there. Null where the result is no http(s) address, asks for a field that is not there, or would lead
 * to another host or up the path (an id of ".." would).
 */
export function jobUrl(template: string, fields: JobFields): string | null {
  const url = fill(template, (field) => fields[field]);
  const sample = fill(template, () => 'x');
  if (!url || !sample || url.origin !== sample.origin || depth(url) !== depth(sample)) return null;
  return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : null;
}

const PLACE = /\{(job_id|worker_name|job_type)\}/g;

function fill(template: string, value: (field: keyof JobFields) => string | null): URL | null {
  try {
    const filled = template.replace(PLACE, (_, field: keyof JobFields) => {
      const text = value(field);
      if (text === null) throw new TypeError(`no ${field}`);
      return encodeURIComponent(text); // throws for half a surrogate pair
    });
    return new URL(filled);
  } catch {
    return null;
  }
}

function depth({ pathname }: URL): number {
  return pathname.split('/').length;
}
