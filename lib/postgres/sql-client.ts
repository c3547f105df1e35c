import { checkFunction, checkObject, joinPath, type Refuse } from '../common/options.js';

/**
 * The part of a PostgreSQL client that this package uses: a `Pool` of `pg`, or an adapter for
 * another library. Does not refer to pg's types, so that apps without pg compile.
 */
export interface SqlClient {
  /**
   * Runs one statement with parameters `$1`, `$2`, …, which are strings, numbers or `null`, and
   * for clients with `connect` also text in a `Buffer`.
   * Resolves with the rows: an array, or an object with `rows`. Must support concurrent calls.
   */
  query(sql: string, params?: unknown[]): Promise<unknown>;
  /**
   * Leases a connection with `query`, `release` and `on('notification')`, like pg's pool. Without
   * it, the store polls for changes.
   */
  connect?(): Promise<unknown>;
}

/** A row, by column. */
export type SqlRow = Readonly<Record<string, unknown>>;

/** A connection that a client has lent. */
export interface SqlSession {
  query(sql: string, params?: unknown[]): Promise<unknown>;
  /** @param destroy Closes the connection instead of returning it to the pool. */
  release(destroy?: boolean): void;
  on(event: 'notification', listener: (message: { readonly channel: string; readonly payload?: string }) => void): unknown;
  on(event: 'error' | 'end', listener: (error?: Error) => void): unknown;
  removeListener(event: string, listener: (...values: never[]) => void): unknown;
}

/** A client that lends connections. */
export interface LendingClient extends SqlClient {
  connect(): Promise<SqlSession>;
}

/** @throws the error of `refuse` if the value has no method `query`. */
export function checkSqlClient(path: string, value: unknown, refuse?: Refuse): SqlClient {
  const client = checkObject(path, value, refuse);
  checkFunction(joinPath(path, 'query'), client.query, refuse);
  if (client.connect !== undefined) checkFunction(joinPath(path, 'connect'), client.connect, refuse);
  return value as SqlClient;
}

/**
 * Returns the rows of a result. The package reads data only with `SELECT`, which all adapters
 * support.
 */
export function rowsOf(answer: unknown): readonly SqlRow[] {
  if (Array.isArray(answer)) return answer as readonly SqlRow[];
  const { rows } = (answer ?? {}) as { readonly rows?: unknown };
  return Array.isArray(rows) ? (rows as readonly SqlRow[]) : [];
}

/**
 * Whether the client can lend a connection that receives notifications. TypeORM's `DataSource` also
 * has `connect`, but it opens the data source.
 */
export function lendsSessions(client: SqlClient): client is LendingClient {
  const { connect, initialize, options } = client as { connect?: unknown; initialize?: unknown; options?: { readonly max?: unknown } };
  // Listening would occupy the only connection of such a pool.
  return typeof connect === 'function' && initialize === undefined && options?.max !== 1;
}
