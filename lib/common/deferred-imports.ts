import type { IncomingMessage, Server } from 'node:http';

/** Imports that no code has used yet. */
const unused = new Set<() => object>();

let isLoadedOnPost = false;

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

/**
 * Loads them at the first POST, so that the process stays small while it only serves probes and
 * pages.
 */
export function loadLateImportsOnPost(): void {
  isLoadedOnPost = true;
}

/** Events of an HTTP server. */
export type HttpEvents = Pick<Server, 'on' | 'once' | 'off'>;

/** Calls `load` when the imports are due: when the server listens, or at its first POST. */
export function onLateImportsDue(server: HttpEvents, load: () => void): void {
  if (!isLoadedOnPost) {
    server.once('listening', load);
    return;
  }
  const onRequest = ({ method }: IncomingMessage): void => {
    if (method !== 'POST') return;
    server.off('request', onRequest);
    load();
  };
  server.on('request', onRequest);
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
