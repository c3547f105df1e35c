/** The fields of an object from JSON. */
export type Fields = Readonly<Record<string, unknown>>;

/** Whether a value from JSON is an object, not a list. */
export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The fields of a value from JSON; none unless it is an object. */
export function fieldsOf(value: unknown): Fields {
  return isObject(value) ? value : {};
}

/** The value that a JSON text contains; `undefined` for anything else. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The object that a JSON text contains; `undefined` for anything else. */
export function objectIn(json: string): Fields | undefined {
  // Not through `jsonIn`: streams call this for each event.
  try {
    const value: unknown = JSON.parse(json);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A copy without a prototype. If a dependency of the app lets clients set fields of
 * `Object.prototype`, they must not be read as options: an `api_base` there would send keys
 * elsewhere.
 */
export function ownFields<T extends object>(fields: T): T & Readonly<Record<string, unknown>> {
  return Object.assign(Object.create(null) as object, fields) as T & Readonly<Record<string, unknown>>;
}

/** A field of options, unless it is one of `Object.prototype`. */
export function ownField<T extends object, K extends keyof T & string>(options: T, name: K): T[K] | undefined {
  return name in Object.prototype && !Object.hasOwn(options, name) ? undefined : options[name];
}

/** Without the fields that are `undefined`. */
export function definedFields<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

/** The entries of a list from JSON; none of anything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/**
 * A string without surrounding whitespace, because values read from files often end with a
 * newline. `undefined` if nothing is left, and for anything else.
 */
export function trimmedText(value: unknown): string | undefined {
  const trimmed = typeof value === 'string' ? value.trim() : '';
  return trimmed === '' ? undefined : trimmed;
}

/** A string from JSON; `undefined` for anything else. */
export function asString(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A string from JSON that is not empty; `undefined` for anything else. */
export function nonEmptyString(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A string from JSON; empty for anything else. */
export function stringIn(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** A number from JSON; 0 for anything else. */
export function numberIn(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

/** Whether a value is neither absent nor `null`. */
export function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}
