import type { AuditEntry } from '../common/audit-log.js';
import type { DirectoryEntity, DirectoryRecords } from './directory-records.js';

/** Selects records, newest first. Absent conditions match all records. */
export interface DirectoryQuery {
  readonly ids?: readonly string[];
  /** Members of any of these teams only. */
  readonly teams?: readonly string[];
  /** Members only. */
  readonly user?: string;
  /** Teams only. */
  readonly organization?: string;
  /** Exact alias of a team or organization. */
  readonly alias?: string;
  /** Exact email of a user, ignoring case. */
  readonly email?: string;
  /** Users and members only. */
  readonly role?: string;
  /** Part of the id, alias or email, ignoring case. */
  readonly search?: string;
  /** Default 100. */
  readonly limit?: number;
  /** Default 0. */
  readonly offset?: number;
}

/** A page of records. */
export interface DirectoryPage<R> {
  readonly records: readonly R[];
  /** Records on all pages; a store may stop counting at 100,000. */
  readonly total: number;
}

/** Stores teams, users, members, budgets, customers and organizations. */
export interface DirectoryStore {
  /** Returns a record; `undefined` for an unknown one. Rejects while the store is unavailable. */
  find<E extends DirectoryEntity>(entity: E, id: string): Promise<DirectoryRecords[E] | undefined>;
  /**
   * Like `find`, but for requests, which cache the result. The look-up can wait for others to share
   * a statement, because clients choose some of the ids. Default: `find`.
   */
  lookUp?<E extends DirectoryEntity>(entity: E, id: string): Promise<DirectoryRecords[E] | undefined>;
  /**
   * Writes a record with the next `revision`: 1 for a new record, otherwise the stored revision
   * plus 1. Returns `false` and writes nothing if another process was faster.
   * @param entry Entry for the audit log, written atomically with the record.
   */
  put<E extends DirectoryEntity>(entity: E, record: DirectoryRecords[E], entry?: AuditEntry): Promise<boolean>;
  /**
   * Removes a record, and the members of a team. Returns `false` for an unknown record, and for a
   * budget that other records use.
   */
  delete(entity: DirectoryEntity, id: string, entry?: AuditEntry): Promise<boolean>;
  /** Returns a page of records. */
  list<E extends DirectoryEntity>(entity: E, query: DirectoryQuery): Promise<DirectoryPage<DirectoryRecords[E]>>;
  /**
   * Calls `listener` with the entity and id of each record that any process changes, or with `null`
   * as the id if any record may have changed. Returns a function that removes the listener.
   */
  onChange(listener: (entity: DirectoryEntity, id: string | null) => void): () => void;
  /** Whether every change is currently reported. */
  isFollowing?(): boolean;
  /** Why the store is currently unavailable. */
  fault?(): string | undefined;
}

/** A store of API keys that also has a directory. */
export interface DirectoryOwner {
  readonly directory?: DirectoryStore;
}
