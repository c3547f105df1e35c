/**
 * A copy that inherits nothing. A dependency of the app that lets clients set fields of
 * `Object.prototype` must not steer what is read of it: an `api_base` there took keys elsewhere.
 */
export function ownFields<T extends object>(fields: T): T & Readonly<Record<string, unknown>> {
  return Object.assign(Object.create(null) as object, fields) as T & Readonly<Record<string, unknown>>;
}

/** A field of options, unless it is one of `Object.prototype`. */
export function ownField<T extends object, K extends keyof T & string>(options: T, name: K): T[K] | undefined {
  return name in Object.prototype && !Object.hasOwn(options, name) ? undefined : options[name];
}
