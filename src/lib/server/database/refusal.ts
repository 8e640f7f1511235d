import { configuration } from './configuration.ts';

/** Why the database refused or failed. `status` is the HTTP status of the response. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly kind:
    'signed-out' | 'not-a-member' | 'unreachable' | 'migrations-missing' | 'not-found' | 'invalid' | 'broken';
  readonly status: number;
  readonly detail: string;

  constructor(kind: Refused['kind'], detail: string) {
    super(`${kind}: ${detail}`);
    this.kind = kind;
    this.status = STATUS[kind];
    this.detail = detail;
  }
}

const STATUS = {
  'signed-out': 401,
  'not-a-member': 403,
  unreachable: 503,
  'migrations-missing': 503,
  'not-found': 404,
  invalid: 400,
  broken: 502,
} as const;

/** PostgreSQL's codes for an invalid number, time, range or text (a zero byte). Its own messages are not for people. */
const UNREADABLE = ['22P02', '22007', '22008', '22003', '22P05', '22021'];

/** The meaning of an error of the Data API. */
export function refusal(status: number, code: string, message: string): Refused {
  // postgrest-js gives status 0 to a request without an answer.
  if (status === 0 || status >= 502) return new Refused('unreachable', configuration().url);
  if (status === 401) return new Refused('signed-out', message);
  if (status === 403) return new Refused('not-a-member', message);
  // PT404 is ours: the requested thing is missing. Another 404 means that the function is missing.
  if (code === 'PT404') return new Refused('not-found', message);
  if (code === 'PT400') return new Refused('invalid', message);
  if (UNREADABLE.includes(code)) return new Refused('invalid', 'a value in the request is invalid');
  if (status === 404 || code === '42P01' || code === '42883')
    return new Refused('migrations-missing', message);
  return new Refused('broken', message);
}
