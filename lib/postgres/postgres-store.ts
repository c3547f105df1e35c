import type { AuditEntry, AuditLog, AuditPage, AuditQuery } from '../common/audit-log.js';
import { InvalidConfigurationError } from '../common/errors.js';
import { boolean, custom, integer, oneOf, resolveOptions, type OptionsOf, type Resolved } from '../common/option.js';
import { checkString, refuseOption } from '../common/options.js';
import type { ConfigurationStore } from '../configuration/stored/configuration-store.js';
import type { ApiKeyRecord } from '../keys/api-key-record.js';
import type { ApiKeyPage, ApiKeyQuery, ApiKeyStore } from '../keys/api-key-store.js';
import type { SpendQueries } from '../spend/spend-queries.js';
import type { DirectoryStore } from '../directory/directory-store.js';
import type * as Connections from './connected-store.js';
import type { ConnectedStore } from './connected-store.js';
import type { SpendStore } from '../spend/spend-store.js';
import type { Database } from './database.js';
import { checkPostgresUrl } from './pg-pool.js';
import { checkSqlClient, type SqlClient } from './sql-client.js';

const SCHEMA = /^[a-z_][a-z0-9_]{0,62}$/;

export const POSTGRES_STORE = {
  /** `postgres://…`: the store opens a pool of `pg`. Set either this or `pool`. */
  url: custom<string>('`postgres://` URL', checkPostgresUrl),
  /**
   * The app's own `Pool` of `pg`, or any object with `query(sql, params)`. The store does not close
   * it. It keeps one connection of a pool to listen for changes.
   */
  pool: custom<SqlClient>('`Pool` of `pg`', (path, value, refuse) => checkSqlClient(path, value, refuse)),
  /** Schema that contains all tables. Default `fast_litellm`. */
  schema: custom<string>('string', checkSchema, 'fast_litellm'),
  /**
   * Applies missing migrations when the store is first used. Default `true`; with `false` run `npx
   * nestjs-fast-litellm migrate`.
   */
  migrate: boolean({ default: true }),
  /**
   * How the store learns of changes made by other processes. `'auto'`: from notifications, or by
   * polling if they do not arrive. Default `auto`.
   */
  listen: oneOf(['auto', 'polling'], { default: 'auto' }),
  /** Timeout for connecting and for each statement, in ms. Default 1,000. */
  timeoutMs: integer({ min: 1, max: 60_000, default: 1_000 }),
};

/** Options of `postgresStore`. */
export interface PostgresStoreOptions extends OptionsOf<typeof POSTGRES_STORE> {}

export type ResolvedPostgresStoreOptions = Resolved<typeof POSTGRES_STORE>;

/**
 * A store in PostgreSQL: API keys, teams and users, the audit log of their changes, and the spend
 * log.
 */
export interface PostgresStore extends ApiKeyStore {
  readonly audit: AuditLog;
  /** Reads the spend log. @internal */
  readonly spendQueries: SpendQueries;
  /** Teams, users, members, budgets, customers and organizations. */
  readonly directory: DirectoryStore;
  /** The spend log, for `FastLiteLLMSpendModule`. */
  readonly spend: SpendStore;
  /** Models, credentials and settings of the admin API, for `FastLiteLLMAdminModule`. */
  readonly configuration: ConfigurationStore;
  /** Applies the missing migrations and returns their names. */
  migrate(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/**
 * Stores API keys, teams, users and the audit log in PostgreSQL 13 or later, for any number of
 * processes. All of them see a change within a second. Connects on first use.
 *
 * @throws InvalidConfigurationError naming the option (`postgres.schema`); MissingPackageError
 * without pg, when the app starts with a `url`.
 * @example
 * FastLiteLLMKeysModule.forRoot({ store: postgresStore({ url: process.env.DATABASE_URL }) })
 */
export function postgresStore(options: PostgresStoreOptions): PostgresStore {
  return new LazyPostgresStore(resolvePostgresStoreOptions(options));
}

/** @throws InvalidConfigurationError naming the option. */
export function resolvePostgresStoreOptions(options: PostgresStoreOptions): ResolvedPostgresStoreOptions {
  const resolved = resolveOptions(POSTGRES_STORE, 'postgres', options);
  if ((resolved.url === undefined) !== (resolved.pool === undefined)) return resolved;
  throw new InvalidConfigurationError('postgres', 'must have either a url or a pool');
}

/** The database of a store, for another part of the package. */
export interface BorrowedDatabase {
  readonly database: Database;
  /** The last user closes the connections. Can be called more than once. */
  giveBack(): Promise<void>;
}

export function isPostgresStore(value: unknown): value is PostgresStore {
  return value instanceof LazyPostgresStore;
}

/** @param store One that `isPostgresStore` accepts. */
export function borrowDatabase(store: PostgresStore): BorrowedDatabase {
  const connected = (store as LazyPostgresStore).connect();
  return { database: connected.database, giveBack: connected.borrow() };
}

class LazyPostgresStore implements PostgresStore {
  readonly kind = 'postgres';
  readonly audit: AuditLog = {
    record: (entry) => this.open().audit.record(entry),
    search: (query: AuditQuery): Promise<AuditPage> => this.open().audit.search(query),
  };
  readonly directory: DirectoryStore = {
    find: (entity, id) => this.inDirectory((directory) => directory.find(entity, id)),
    lookUp: (entity, id) => this.inDirectory((directory) => directory.lookUp(entity, id)),
    put: (entity, record, entry) => this.inDirectory((directory) => directory.put(entity, record, entry)),
    delete: (entity, id, entry) => this.inDirectory((directory) => directory.delete(entity, id, entry)),
    list: (entity, query) => this.inDirectory((directory) => directory.list(entity, query)),
    onChange: (listener) => this.open().onDirectoryChange(listener),
    isFollowing: () => this.isFollowing(),
    fault: () => this.fault(),
  };
  readonly spend: SpendStore = {
    write: (calls) => this.open().spend.write(calls),
    isRejection: (error) => this.open().spend.isRejection(error),
    createMonths: (now) => this.open().spend.createMonths(now),
    dropBefore: (time) => this.open().spend.dropBefore(time),
    deleteOf: (owner, id) => this.open().spend.deleteOf(owner, id),
    countOf: (owner, id) => this.open().spend.countOf(owner, id),
    fault: () => this.connected?.spend.fault(),
  };
  readonly configuration: ConfigurationStore = {
    kind: this.kind,
    list: async () => this.open().configuration.list(),
    put: async (row, entry) => this.open().configuration.put(row, entry),
    delete: async (entity, id, entry) => this.open().configuration.delete(entity, id, entry),
    onChange: (listener) => this.open().configuration.onChange(listener),
    fault: () => this.fault() ?? this.connected?.configuration.fault(),
  };
  private connected: ConnectedStore | undefined = undefined;

  constructor(private readonly options: ResolvedPostgresStoreOptions) {}

  get spendQueries(): SpendQueries {
    return this.open().spendQueries;
  }

  async findByPublicId(publicId: string): Promise<ApiKeyRecord | undefined> {
    return this.open().keys.findByPublicId(publicId);
  }

  async findByAlias(alias: string): Promise<ApiKeyRecord | undefined> {
    return this.open().keys.findByAlias(alias);
  }

  async put(record: ApiKeyRecord, entry?: AuditEntry): Promise<boolean> {
    return this.open().keys.put(record, entry);
  }

  async delete(publicId: string, entry?: AuditEntry): Promise<boolean> {
    return this.open().keys.delete(publicId, entry);
  }

  async list(): Promise<readonly ApiKeyRecord[]> {
    return this.open().keys.list();
  }

  async search(query: ApiKeyQuery): Promise<ApiKeyPage> {
    return this.open().keys.search(query);
  }

  onChange(listener: (publicId: string | null) => void): () => void {
    return this.open().changes.on('keys', listener);
  }

  isFollowing(): boolean {
    return this.connected?.changes.isFollowing ?? false;
  }

  fault(): string | undefined {
    return this.connected?.fault();
  }

  async migrate(): Promise<readonly string[]> {
    return this.open().database.migrate();
  }

  async close(): Promise<void> {
    const { connected } = this;
    this.connected = undefined;
    await connected?.close();
  }

  private async inDirectory<T>(work: (directory: ConnectedStore['directory']) => Promise<T>): Promise<T> {
    return work(this.open().directory);
  }

  connect(): ConnectedStore {
    if (this.connected?.isClosed === false) return this.connected;
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with PostgreSQL load it
    const { ConnectedStore } = require('./connected-store.js') as typeof Connections;
    return (this.connected = new ConnectedStore(this.options));
  }

  private open(): ConnectedStore {
    const connected = this.connect();
    connected.isUsed = true;
    return connected;
  }
}

function checkSchema(path: string, value: unknown): string {
  const schema = checkString(path, value);
  if (SCHEMA.test(schema)) return schema;
  throw refuseOption(path, schema, 'must have 1 to 63 lower-case letters, digits or _, and must not start with a digit');
}
