import type { AuditEntry, AuditLog } from '../common/audit-log.js';
import { InvalidArgumentError } from '../common/errors.js';
import type { ApiKeyRecord } from './api-key-record.js';

/**
 * Stores the records of keys. The package has stores in a JSON file, Redis and PostgreSQL; for
 * another database, implement these methods on one table. Results are cached, so methods need not
 * be fast.
 */
export interface ApiKeyStore {
  /** For health and logs: `file`, `redis`. */
  readonly kind: string;
  /**
   * Returns the record of a key; `undefined` for an unknown one. Can reject while the store is
   * unavailable.
   */
  findByPublicId(publicId: string): Promise<ApiKeyRecord | undefined>;
  /**
   * Writes a record with the next `revision`: 1 for a new key, otherwise the stored one plus 1.
   * Returns `false`, and writes nothing, if another process was first.
   * @throws InvalidArgumentError (`alias`) if another key has the alias and the store can check
   * this atomically; otherwise two processes can give the same alias to two keys.
   * @param entry For a store with an audit log: written atomically with the record.
   */
  put(record: ApiKeyRecord, entry?: AuditEntry): Promise<boolean>;
  /**
   * Writes several records as `put` does, at once. Returns which of them were written. Without this
   * method, `put` is called for each.
   */
  putAll?(records: readonly ApiKeyRecord[]): Promise<readonly boolean[]>;
  /** Removes a key. Returns `false` for an unknown one. */
  delete(publicId: string, entry?: AuditEntry): Promise<boolean>;
  /** Returns all records, in any order. */
  list(): Promise<readonly ApiKeyRecord[]>;
  /**
   * Calls `listener` with the public id of a key that any process has changed, or with `null` if
   * any key may have changed. Returns a function that removes the listener. Without this method,
   * changes take effect within 10 seconds.
   */
  onChange?(listener: (publicId: string | null) => void): () => void;
  /**
   * Whether `onChange` reports every change of any process at the moment. Records then stay cached
   * until they change, and while `fault` has a reason they are used without waiting for the store.
   * A store that stops reporting calls its listeners with `null`.
   */
  isFollowing?(): boolean;
  /** Returns the record with an alias. Without this method, `list` is searched. */
  findByAlias?(alias: string): Promise<ApiKeyRecord | undefined>;
  /** Returns a page of records. Without this method, `list` is searched. */
  search?(query: ApiKeyQuery): Promise<ApiKeyPage>;
  /** Records who changed which key. */
  readonly audit?: AuditLog;
  /** Why the store cannot be used at the moment; `undefined` if it works. */
  fault?(): string | undefined;
  /**
   * Closes connections and timers. Can be called more than once, and the store can be used again.
   */
  close?(): void | Promise<void>;
}

/** `revoked`: blocked. */
export type ApiKeyStatus = 'active' | 'expired' | 'revoked';

/** Selects keys, newest first. Absent conditions match all keys. */
export interface ApiKeyQuery {
  readonly user?: string;
  readonly team?: string;
  readonly alias?: string;
  /** The beginning of an alias, ignoring case, or a public id. */
  readonly search?: string;
  readonly publicId?: string;
  readonly status?: ApiKeyStatus;
  /** Default 100. */
  readonly limit?: number;
  /** Default 0. */
  readonly offset?: number;
}

/** A page of keys. */
export interface ApiKeyPage {
  readonly records: readonly ApiKeyRecord[];
  /** Keys on all pages; a store may stop counting at 100,000. */
  readonly total: number;
}

/** Another key has the alias. */
export function aliasTaken(alias: string): InvalidArgumentError {
  return new InvalidArgumentError('alias', alias, 'must be unique among keys');
}
