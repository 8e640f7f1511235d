import { configuration } from './configuration.ts';

/** Why the database gave no answer. `status` is the HTTP status to answer with. */
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

/** PostgreSQL's codes for what is no number, no time, out of range or no text (a zero byte): its own words are not for people. */
const UNREADABLE = ['22P02', '22007', '22008', '22003', '22P05', '22021'];

/** What an error of the Data API means for whoever asked. */
export function refusal(status: number, code: string, message: string): Refused {
  // Status 0 is what postgrest-js makes of a request that never got an answer.
  if (status === 0 || status >= 502) return new Refused('unreachable', configuration().url);
  if (status === 401) return new Refused('signed-out', message);
  if (status === 403) return new Refused('not-a-member', message);
  // Ours, about what was asked for; 404 without it: there is no such function.
  if (code === 'PT404') return new Refused('not-found', message);
  if (code === 'PT400') return new Refused('invalid', message);
  if (UNREADABLE.includes(code)) return new Refused('invalid', 'a value in the request is invalid');
  if (status === 404 || code === '42P01' || code === '42883')
    return new Refused('migrations-missing', message);
  return new Refused('broken', message);
}
