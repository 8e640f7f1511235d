import type { Worker } from './worker.ts';

/** The address of a worker's current job; null without a job or a template. */
export function currentJobUrl({ jobId, jobType, name }: Worker, template: string | null): string | null {
  return template && jobId ? jobUrl(template, { job_id: jobId, job_type: jobType, worker_name: name }) : null;
}

/** The fields of a template, such as `{job_id}`. */
export interface JobFields {
  readonly job_id: string;
  readonly worker_name: string;
  readonly job_type: string | null;
}

/**
 * The address of a job, from the template of its group: `https://example.com/jobs/{job_id}?by={worker_name}`.
 *
 * An operator writes the template; the worker writes the job's id. The id is encoded, so it can't change the rest of the
 * address. Null if the result is not an http(s) address, needs a missing field, or leads to another host or up the path (an
 * id of ".." would).
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
