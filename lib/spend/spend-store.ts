import type { SpendQueries } from './spend-queries.js';

/** Owners whose calls can be deleted. */
export type SpendOwner = 'key' | 'user' | 'end_user';

/** Storage of the spend log: `postgresStore(…).spend`. */
export interface SpendStore {
  /**
   * Writes calls, each as JSON, and adds them to the daily sums. Skips calls that already exist.
   * Resolves with the number of new calls once they are durable.
   * @throws DatabaseError
   */
  write(calls: readonly string[]): Promise<number>;
  /** Whether an error of `write` was caused by a call itself, so that a retry is useless. */
  isRejection(error: unknown): boolean;
  /** Creates partitions for the coming months. */
  createMonths(): Promise<void>;
  /** Drops partitions of months that ended before a time and returns their names. */
  dropBefore(time: Date): Promise<readonly string[]>;
  /**
   * Deletes the calls of a user or key and its own sums, and returns the number of calls. Sums of
   * teams, models and all calls stay.
   */
  deleteOf(owner: SpendOwner, id: string): Promise<number>;
  /** Returns how many calls `deleteOf` would delete, up to a million. */
  countOf(owner: SpendOwner, id: string): Promise<number>;
}

/** A store that has a spend log. */
export interface SpendStoreSource {
  readonly spend: SpendStore;
  /** Answers questions about what `spend` has written. @internal */
  readonly spendQueries?: SpendQueries;
  /** Closes the store's connections. Can be called more than once. */
  close(): Promise<void>;
}
