/**
 * Reads a value from the wire: returns it with a type, or throws. Our own code, because it is short, while zod/mini would
 * add 5.1 of 77 KB gzipped to the page (decision 3).
 *
 * @throws {Unreadable} with the place, the value and the expected type
 */
export type Read<T> = (value: unknown) => T;

export type Shape<R> = R extends Read<infer T> ? T : never;

/** Unicode's direction marks, overrides and isolates, which can make a text look like another one. */
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

type Fields = Record<string, Read<unknown>>;
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: undefined extends Shape<F[K]> ? K : never;
}[keyof F];
type Shaped<F extends Fields> = { [K in Exclude<keyof F, OptionalKeys<F>>]: Shape<F[K]> } & {
  [K in OptionalKeys<F>]?: Shape<F[K]>;
};

export const text: Read<string> = primitive('string');
/** A text from a worker: characters that change the reading order are replaced by U+FFFD. */
export const safeText: Read<string> = (value) => text(value).replace(TURNS, '\ufffd');
export const number: Read<number> = primitive('number');
export const flag: Read<boolean> = primitive('boolean');
export const anything: Read<unknown> = (value) => value;

export function oneOf<const T extends string>(values: readonly T[]): Read<T> {
  return (value) => values.find((candidate) => candidate === value) ?? refuse(value, `one of ${values}`);
}

/** Allows null and missing values. */
export function maybe<T>(read: Read<T>): Read<T | null | undefined> {
  return (value) => (value == null ? (value as null | undefined) : read(value));
}

export function list<T>(read: Read<T>): Read<T[]> {
  return (value) => {
    if (!Array.isArray(value)) return refuse(value, 'a list');
    return value.map((one, index) => {
      try {
        return read(one);
      } catch (error) {
        throw within(`[${index}]`, error);
      }
    });
  };
}

/** Ignores unknown fields, so that the sender may be newer. */
export function record<F extends Fields>(fields: F): Read<Shaped<F>> {
  const entries = Object.entries(fields);
  return (value) => {
    if (typeof value !== 'object' || value === null) return refuse(value, 'an object');
    const from = value as Record<string, unknown>;
    const shaped: Record<string, unknown> = {};
    for (const [name, read] of entries) {
      try {
        shaped[name] = read(from[name]);
      } catch (error) {
        throw within(name, error);
      }
    }
    return shaped as Shaped<F>;
  };
}

function primitive<T>(type: 'string' | 'number' | 'boolean'): Read<T> {
  return (value) => (typeof value === type ? (value as T) : refuse(value, `a ${type}`));
}

/** "header.now is 3, not a string". The path is built while the error is thrown, because most values are valid. */
export class Unreadable extends TypeError {
  readonly #complaint: string;
  #place = '';

  constructor(complaint: string) {
    super();
    this.#complaint = complaint;
  }

  override get message(): string {
    return `${this.#place || 'this'} ${this.#complaint}`;
  }

  within(place: string): this {
    this.#place = place + (this.#place && !this.#place.startsWith('[') ? '.' : '') + this.#place;
    return this;
  }
}

function refuse(value: unknown, wanted: string): never {
  throw new Unreadable(`is ${JSON.stringify(value)?.slice(0, 100)}, not ${wanted}`);
}

function within(place: string, error: unknown): unknown {
  return error instanceof Unreadable ? error.within(place) : error;
}
