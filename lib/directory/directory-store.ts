import type { AuditEntry } from '../common/audit-log.js';
import type { DirectoryEntity, DirectoryRecords } from './directory-records.js';

/** Which records to return, the newest first. Conditions that are absent match all. */
export interface DirectoryQuery {
  readonly ids?: readonly string[];
  /** Of members: of any of these teams. */
  readonly teams?: readonly string[];
  /** Of members. */
  readonly user?: string;
  /** Of teams. */
  readonly organization?: string;
  /** The whole name, of teams and organizations. */
  readonly alias?: string;
  /** The whole address, of users, in any case of letters. */
  readonly email?: string;
  /** Of users and members. */
  readonly role?: string;
  /** Part of the id, alias or email, in any case of letters. */
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
   * The same for requests, whose results are cached: it can wait for others, because clients choose
   * some of the ids. Default: `find`.
   */
  lookUp?<E extends DirectoryEntity>(entity: E, id: string): Promise<DirectoryRecords[E] | undefined>;
  /**
   * Writes a record whose `revision` is the next one: 1 for a new record, otherwise the stored one
   * plus 1. Returns `false`, and writes nothing, if another process was first.
   * @param entry Written to the audit log in the same step.
   */
  put<E extends DirectoryEntity>(entity: E, record: DirectoryRecords[E], entry?: AuditEntry): Promise<boolean>;
  /**
   * Removes a record, and the members of a team. Returns `false` for an unknown one, and for a
   * budget that other records refer to.
   */
  delete(entity: DirectoryEntity, id: string, entry?: AuditEntry): Promise<boolean>;
  /** Returns a page of records. */
  search<E extends DirectoryEntity>(entity: E, query: DirectoryQuery): Promise<DirectoryPage<DirectoryRecords[E]>>;
  /**
   * Calls `listener` with the entity and id of a record that any process has changed, or with
   * `null` as the id if any may have changed. Returns a function that removes the listener.
   */
  onChange(listener: (entity: DirectoryEntity, id: string | null) => void): () => void;
  /** Whether every change is reported at the moment. */
  isFollowing?(): boolean;
  /** Why the store cannot be used at the moment. */
  fault?(): string | undefined;
}

/** A store of API keys that has a directory, too. */
export interface DirectoryOwner {
  readonly directory?: DirectoryStore;
}
