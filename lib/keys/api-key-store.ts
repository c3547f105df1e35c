import { InvalidArgumentError } from '../common/errors.js';
import type { ApiKeyRecord } from './api-key-record.js';

/**
 * Where records of keys are. The package has a store in a JSON file and one in Redis; a database of
 * the app needs one table and these methods. Results are cached, so a method need not be fast.
 */
export interface ApiKeyStore {
  /** For health and logs: `file`, `redis`. */
  readonly kind: string;
  /** The record of a key; `undefined` for an unknown one. May reject while the store is away. */
  findByPublicId(publicId: string): Promise<ApiKeyRecord | undefined>;
  /**
   * Writes a record whose `revision` is the next one: 1 for a new key, else one more than the
   * stored one. Returns `false`, and writes nothing, where another process was first.
   * @throws InvalidArgumentError (`alias`) for an alias of another key, if the store can tell in
   * the same step; otherwise two processes may give it to two keys.
   */
  put(record: ApiKeyRecord): Promise<boolean>;
  /** Removes a key. Returns `false` for an unknown one. */
  delete(publicId: string): Promise<boolean>;
  /** All records, in any order. */
  list(): Promise<readonly ApiKeyRecord[]>;
  /**
   * Calls `listener` with the public id of a key that any process has changed, or with `null` where
   * any key may have changed. Returns a function that ends this. Without the method a change is
   * seen after 10 seconds.
   */
  onChange?(listener: (publicId: string | null) => void): () => void;
  /** Why it cannot be used at the moment; `undefined`: it can. */
  fault?(): string | undefined;
  /** Closes connections and timers. May be called more than once, and the store used again. */
  close?(): void | Promise<void>;
}

/** Another key has the alias. */
export function aliasTaken(alias: string): InvalidArgumentError {
  return new InvalidArgumentError('alias', alias, 'must be unique among keys');
}
