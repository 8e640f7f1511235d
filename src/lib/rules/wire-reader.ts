/**
 * Reads a value from the wire: returns it with a type, or throws. Our own code, because it is short, while zod/mini would
 * add 5.1 of 77 KB gzipped to the page (decision 3).
 *
 * @param path the place of the value, for the error
 * @throws {TypeError} with the place, the value and the expected type
 */
export type Read<T> = (value: unknown, path?: string) => T;

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
export const safeText: Read<string> = (value, path) => text(value, path).replace(TURNS, '\ufffd');
export const number: Read<number> = primitive('number');
export const flag: Read<boolean> = primitive('boolean');
export const anything: Read<unknown> = (value) => value;

export function oneOf<const T extends string>(values: readonly T[]): Read<T> {
  return (value, path) =>
    values.find((candidate) => candidate === value) ?? refuse(value, `one of ${values}`, path);
}

/** Allows null and missing values. */
export function maybe<T>(read: Read<T>): Read<T | null | undefined> {
  return (value, path) => (value == null ? (value as null | undefined) : read(value, path));
}

export function list<T>(read: Read<T>): Read<T[]> {
  return (value, path = '') =>
    Array.isArray(value)
      ? value.map((one, index) => read(one, `${path}[${index}]`))
      : refuse(value, 'a list', path);
}

/** Ignores unknown fields, so that the sender may be newer. */
export function record<F extends Fields>(fields: F): Read<Shaped<F>> {
  const entries = Object.entries(fields);
  return (value, path = '') => {
    if (typeof value !== 'object' || value === null) return refuse(value, 'an object', path);
    const from = value as Record<string, unknown>;
    return Object.fromEntries(
      entries.map(([name, read]) => [name, read(from[name], path ? `${path}.${name}` : name)]),
    ) as Shaped<F>;
  };
}

function primitive<T>(type: 'string' | 'number' | 'boolean'): Read<T> {
  return (value, path) => (typeof value === type ? (value as T) : refuse(value, `a ${type}`, path));
}

function refuse(value: unknown, wanted: string, path?: string): never {
  throw new TypeError(`${path || 'this'} is ${JSON.stringify(value)?.slice(0, 100)}, not ${wanted}`);
}
