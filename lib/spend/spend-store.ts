import type { SpendQueries } from './spend-queries.js';

/** What spending can be deleted of. */
export type SpendOwner = 'key' | 'user' | 'end_user';

/** Where the spend log keeps its rows: `postgresStore(…).spend`. */
export interface SpendStore {
  /**
   * Writes calls, each in JSON, and adds them to the daily sums. Calls that are there already are
   * left out. Resolves with the number of new ones, once they are durable.
   * @throws DatabaseError
   */
  write(calls: readonly string[]): Promise<number>;
  /** Whether an error of `write` is a fault of a call itself, so that to repeat it is useless. */
  isRejection(error: unknown): boolean;
  /** Creates the partitions of the next months. */
  createMonths(): Promise<void>;
  /** Drops the partitions of months that ended before a time, and returns their names. */
  dropBefore(time: Date): Promise<readonly string[]>;
  /**
   * Deletes the calls of a user or a key and their sums, and returns the number of calls. Sums of
   * teams, models and all calls stay.
   */
  deleteOf(owner: SpendOwner, id: string): Promise<number>;
  /** Number of calls that `deleteOf` would delete, up to a million. */
  countOf(owner: SpendOwner, id: string): Promise<number>;
}

/** A store with a spend log. */
export interface SpendStoreSource {
  readonly spend: SpendStore;
  /** Answers questions about what `spend` has written. @internal */
  readonly spendQueries?: SpendQueries;
  close(): Promise<void>;
}
