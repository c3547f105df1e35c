/**
 * Error codes of Node, undici and the pool for a connection that failed or broke, timeouts
 * excluded.
 */
export const CONNECTION_CODES: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_SOCKET',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
  'PROXY_REFUSED',
]);

/**
 * Error codes, timeouts included, of a connection that was never open: nothing was sent over it.
 */
const NEVER_CONNECTED: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'PROXY_REFUSED',
  'POOL_TIMEOUT',
  'POOL_CLOSED',
]);
const CONNECTING: ReadonlySet<unknown> = new Set(['connect', 'getaddrinfo']);
const DEEPEST_CAUSE = 5;

/** Whether an error, or one of its causes, says that no connection came about. */
export function neverConnected(error: unknown): boolean {
  for (let cause = error, depth = 0; typeof cause === 'object' && cause !== null && depth < DEEPEST_CAUSE; depth++) {
    const { code, syscall, cause: next } = cause as { readonly code?: unknown; readonly syscall?: unknown; readonly cause?: unknown };
    if (NEVER_CONNECTED.has(code) || CONNECTING.has(syscall)) return true;
    cause = next;
  }
  return false;
}

/** Error codes of Node, of OpenSSL's certificate checks and of undici. */
const CODE = /^[A-Z][A-Z0-9_]{2,63}$/;

/** The code of the innermost cause that has one, such as `ECONNREFUSED`; not the error's own. */
export function causeCodeOf(error: unknown): string | undefined {
  let found: string | undefined;
  let cause = innerOf(error);
  for (let depth = 0; typeof cause === 'object' && cause !== null && depth < DEEPEST_CAUSE; depth++) {
    const { code } = cause as { readonly code?: unknown };
    if (typeof code === 'string' && CODE.test(code)) found = code;
    cause = innerOf(cause);
  }
  return found;
}

/** If Node tries several addresses, it reports an error for each. */
function innerOf(error: unknown): unknown {
  const { cause, errors } = (error ?? {}) as { readonly cause?: unknown; readonly errors?: unknown };
  return cause ?? (Array.isArray(errors) ? errors[0] : undefined);
}
