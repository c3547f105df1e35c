/** Imports that no code has used yet. */
const unused = new Set<() => object>();

const ON_FIRST_READ: ProxyHandler<() => object> = {
  get(load, name) {
    unused.delete(load);
    return Reflect.get(load(), name) as unknown;
  },
};

/**
 * Replaces the exports of a file until one of them is read. `scripts/late-imports.js` writes the
 * calls into `dist/lib`; `load` assigns the exports to the variable of the import, so that later
 * reads of it are ordinary ones.
 */
export function lateImport<T extends object>(load: () => T): T {
  unused.add(load);
  return new Proxy(load, ON_FIRST_READ) as unknown as T;
}

/** Loads the imports that are still unused, with their own, one in each step. */
export function* loadLateImports(isStopped: () => boolean): Generator<undefined, void> {
  // The imports of a file join the set during iteration.
  for (const load of unused) {
    if (isStopped()) return;
    unused.delete(load);
    load();
    yield undefined;
  }
}
