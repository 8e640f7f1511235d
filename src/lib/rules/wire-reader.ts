/**
 * Reads what came over the wire: gives it a type or throws. Our own, for it is a screenful, while zod/mini would be a
 * fifteenth of all that the page loads (5.1 of 77 KB gzipped), and this is read with every message.
 *
 * @param path where the value stands, for the error
 * @throws {TypeError} that says what stands where, and what should
 */
export type Read<T> = (value: unknown, path?: string) => T;

export type Shape<R> = R extends Read<infer T> ? T : never;

/** Direction marks, overrides and isolates of Unicode: with them a text reads as another one. */
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

type Fields = Record<string, Read<unknown>>;
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: undefined extends Shape<F[K]> ? K : never;
}[keyof F];
type Shaped<F extends Fields> = { [K in Exclude<keyof F, OptionalKeys<F>>]: Shape<F[K]> } & {
  [K in OptionalKeys<F>]?: Shape<F[K]>;
};

export const text: Read<string> = primitive('string');
/** A text that somebody else wrote: what would turn the reading order is not seen, and so is shown as such. */
export const safeText: Read<string> = (value, path) => text(value, path).replace(TURNS, '\ufffd');
export const number: Read<number> = primitive('number');
export const flag: Read<boolean> = primitive('boolean');
export const anything: Read<unknown> = (value) => value;

export function oneOf<const T extends string>(values: readonly T[]): Read<T> {
  return (value, path) =>
    values.find((candidate) => candidate === value) ?? refuse(value, `one of ${values}`, path);
}

/** Null and absent are let through as they are. */
export function maybe<T>(read: Read<T>): Read<T | null | undefined> {
  return (value, path) => (value == null ? (value as null | undefined) : read(value, path));
}

export function list<T>(read: Read<T>): Read<T[]> {
  return (value, path = '') =>
    Array.isArray(value)
      ? value.map((one, index) => read(one, `${path}[${index}]`))
      : refuse(value, 'a list', path);
}

/** Fields that it does not know are left out, so that the sender may gain some first. */
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
