/**
 * Makes a value when it is first asked for, and keeps it. `make` contains the `require` of a file
 * that not every app needs at its start, with a literal name, for bundlers.
 */
export function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
