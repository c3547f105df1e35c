import { custom, integer, oneOf, required, resolveOptions, type OptionsOf, type Resolved } from '../../common/option.js';
import { refuseOption } from '../../common/options.js';
import { isPostgresStore, type PostgresStore } from '../postgres-store.js';

export const POSTGRES_RATE_LIMIT_STORE = {
  /** Required: the store for the budgets, created with `postgresStore`. */
  store: required(custom<PostgresStore>('store of `postgresStore`', checkPostgresStore)),
  /**
   * Required: whether an outage of PostgreSQL denies all requests under a budget, allows them, or
   * falls back to this process's share of the budgets.
   *
   * @see docs/budgets.md#many-processes-postgresql
   */
  onStoreError: required(oneOf(['deny', 'allow', 'local'])),
  /**
   * Time in ms after which the hold of a dead process is settled at its expected cost. Default
   * 60,000.
   */
  holdTtlMs: integer({ min: 1_000, default: 60_000 }),
};

/** Options of `postgresRateLimitStore`. */
export interface PostgresRateLimitStoreOptions extends OptionsOf<typeof POSTGRES_RATE_LIMIT_STORE> {}

export type ResolvedPostgresRateLimitStoreOptions = Resolved<typeof POSTGRES_RATE_LIMIT_STORE>;

/** @throws InvalidConfigurationError naming the option (`postgres.onStoreError`). */
export function resolvePostgresRateLimitStoreOptions(options: PostgresRateLimitStoreOptions): ResolvedPostgresRateLimitStoreOptions {
  return resolveOptions(POSTGRES_RATE_LIMIT_STORE, 'postgres', options);
}

function checkPostgresStore(path: string, value: unknown): PostgresStore {
  if (isPostgresStore(value)) return value;
  throw refuseOption(path, value, 'must be a store created with postgresStore()');
}
