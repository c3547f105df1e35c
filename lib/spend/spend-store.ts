import type { SpendQueries } from './spend-queries.js';

/** Owners whose calls can be deleted. */
export type SpendOwner = 'key' | 'user' | 'end_user';

/** Storage of the spend log: `postgresStore(…).spend`. */
export interface SpendStore {
  /**
   * Writes calls and adds them to the daily sums. Skips calls that already exist. Resolves with the
   * number of new calls once they are durable.
   * @param calls each as JSON, or a JSON array of all in UTF-8, which is valid until then
   * @throws DatabaseError
   */
  write(calls: readonly string[] | Buffer): Promise<number>;
  /** Returns a problem of the written rows; `undefined` if there is none. */
  fault?(): string | undefined;
  /** Whether an error of `write` was caused by a call itself, so that a retry is useless. */
  isRejection(error: unknown): boolean;
  /** Creates partitions for the month of `now` and the coming months, in UTC. */
  createMonths(now: Date): Promise<void>;
  /** Drops partitions of months that ended before a time and returns their names. */
  dropBefore(time: Date): Promise<readonly string[]>;
  /**
   * Deletes the calls of a user or key and its own sums, and returns the number of calls. Sums of
   * teams, models and all calls are kept.
   */
  deleteOf(owner: SpendOwner, id: string): Promise<number>;
  /** Returns how many calls `deleteOf` would delete, up to a million. */
  countOf(owner: SpendOwner, id: string): Promise<number>;
}

/** A store that has a spend log. */
export interface SpendStoreSource {
  readonly spend: SpendStore;
  /** Reads the calls that `spend` has written. @internal */
  readonly spendQueries?: SpendQueries;
  /** Closes the store's connections. Can be called more than once. */
  close(): Promise<void>;
}
