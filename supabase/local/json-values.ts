/** The part of lite's schema description with the types. */
interface Described {
  columns: { schema: string; table: string; name: string; pg_type?: string; type?: string }[];
  functions?: { schema: string; name: string; arg_names: string[]; arg_types: string[] }[];
}

/** The part of lite's request with values. */
interface Request {
  schema?: string;
  from?: string;
  function?: string;
  args?: object | unknown[];
  values?: object | object[];
  httpMethod?: 'GET' | 'POST';
}

/**
 * Writes values for json and jsonb columns and arguments as JSON text. lite does this for objects and arrays, but passes
 * `"text"` as `text`, which is not JSON, and `true` as a boolean, which no such column accepts. lite parses text for a
 * column once, so that text is encoded twice.
 *
 * @returns the request, changed in place.
 */
export function writeJsonValues<R extends Request>(request: R, described: Described): R {
  const { schema = 'public', values, args } = request;
  if (request.from && values) {
    const isJson = (name: string) =>
      described.columns.some(
        (column) =>
          column.schema === schema &&
          column.table === request.from &&
          column.name === name &&
          isJsonType(column.pg_type ?? column.type),
      );
    for (const row of Array.isArray(values) ? (values as object[]) : [values])
      writeIn(row, isJson, (value) => JSON.stringify(JSON.stringify(value)));
  }
  // In a GET request, the arguments are JSON text already.
  if (request.function && args && !Array.isArray(args) && request.httpMethod !== 'GET') {
    const named = (described.functions ?? []).filter(
      (one) => one.schema === schema && one.name === request.function,
    );
    const isJson = (name: string) =>
      named.some(({ arg_names, arg_types }) => isJsonType(arg_types[arg_names.indexOf(name)]));
    writeIn(args, isJson, JSON.stringify);
  }
  return request;
}

function writeIn(row: object, isJson: (name: string) => boolean, write: (value: unknown) => string): void {
  for (const [name, value] of Object.entries(row))
    if (value != null && isJson(name)) Object.assign(row, { [name]: write(value) });
}

const isJsonType = (type?: string): boolean => type === 'json' || type === 'jsonb';
