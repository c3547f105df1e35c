import { checkFunction, checkObject, joinPath, type Refuse } from '../common/options.js';

/**
 * The part of a PostgreSQL client that this package uses: a `Pool` of `pg`, or an adapter for
 * another library. Not pg's own type, so that apps without pg can compile against this package.
 */
export interface SqlClient {
  /**
   * Runs one statement with parameters `$1`, `$2`, …, which are strings, numbers and `null`.
   * Resolves with the rows: an array, or an object whose `rows` is one. Runs statements at the same
   * time.
   */
  query(sql: string, params?: unknown[]): Promise<unknown>;
  /**
   * Lends a connection with `query`, `release` and `on('notification')`, as pg's pool does. Without
   * it, changes are polled for.
   */
  connect?(): Promise<unknown>;
}

/** A row, by column. */
export type SqlRow = Readonly<Record<string, unknown>>;

/** A connection that a client has lent. */
export interface SqlSession {
  query(sql: string, params?: unknown[]): Promise<unknown>;
  /** @param destroy Whether the connection is closed. */
  release(destroy?: boolean): void;
  on(event: 'notification', listener: (message: { readonly channel: string; readonly payload?: string }) => void): unknown;
  on(event: 'error' | 'end', listener: (error?: Error) => void): unknown;
  removeListener(event: string, listener: (...values: never[]) => void): unknown;
}

/** A client that lends connections. */
export interface LendingClient extends SqlClient {
  connect(): Promise<SqlSession>;
}

/** @throws by `refuse` without a method `query`. */
export function checkSqlClient(path: string, value: unknown, refuse?: Refuse): SqlClient {
  const client = checkObject(path, value, refuse);
  checkFunction(joinPath(path, 'query'), client.query, refuse);
  if (client.connect !== undefined) checkFunction(joinPath(path, 'connect'), client.connect, refuse);
  return value as SqlClient;
}

/** The rows of an answer. Data for the package always comes from a `SELECT`, for all adapters. */
export function rowsOf(answer: unknown): readonly SqlRow[] {
  if (Array.isArray(answer)) return answer as readonly SqlRow[];
  const { rows } = (answer ?? {}) as { readonly rows?: unknown };
  return Array.isArray(rows) ? (rows as readonly SqlRow[]) : [];
}

/**
 * Whether the client lends connections that hear notifications. A `DataSource` of TypeORM has a
 * `connect` that opens it.
 */
export function lendsSessions(client: SqlClient): client is LendingClient {
  const { connect, initialize, options } = client as SqlClient & { initialize?: unknown; options?: { readonly max?: unknown } };
  // One that listens for changes would be a pool's only connection.
  return typeof connect === 'function' && initialize === undefined && options?.max !== 1;
}
