import { InvalidConfigurationError, unshown } from '../common/errors.js';
import { loadOptionalPackage } from '../common/optional-package.js';
import { checkString, refuseOption } from '../common/options.js';
import type { SqlClient } from './sql-client.js';

/** A pool that this package opened and closes. */
export interface OwnedPool extends SqlClient {
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** The part of `pg` that this file uses. */
interface Pg {
  readonly Pool: new (options: object) => OwnedPool;
}

/** How to open a pool. */
export interface PoolSettings {
  /** Shown in `MissingPackageError`: `the PostgreSQL store`. */
  readonly purpose: string;
  readonly connectTimeoutMs: number;
  /** Default 10. */
  readonly maxConnections?: number;
}

/**
 * Opens a pool of `pg`. Connections are opened on first use.
 * @throws MissingPackageError without pg.
 */
export function openPool(url: string, { purpose, connectTimeoutMs, maxConnections = 10 }: PoolSettings): OwnedPool {
  const pg = loadOptionalPackage(
    'pg',
    purpose,
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only when asked: an optional peer
    () => require('pg') as Pg,
  );
  let pool: OwnedPool;
  try {
    pool = new pg.Pool({
      connectionString: url,
      connectionTimeoutMillis: connectTimeoutMs,
      max: maxConnections,
      application_name: 'nestjs-fast-litellm',
      keepAlive: true,
    });
  } catch {
    // The parser's message can contain the URL.
    throw new InvalidConfigurationError('postgres.url', 'must be a postgres:// URL that pg can read');
  }
  // Without a listener, a lost idle connection would end the process.
  pool.on('error', () => {});
  return pool;
}

/** Checks an option with a database URL. Errors do not show the password. */
export function checkPostgresUrl(path: string, value: unknown): string {
  const url = checkString(path, value);
  if (/^postgres(?:ql)?:\/\//.test(url) && URL.canParse(url)) return url;
  throw refuseOption(path, unshown(url), 'must be a postgres:// or postgresql:// URL');
}
