import { RecordCache } from '../keys/record-cache.js';
import { DIRECTORY_ENTITIES, type DirectoryEntity, type DirectoryRecords } from './directory-records.js';
import type { DirectoryStore } from './directory-store.js';

/** The result of a look-up; each read creates a new object. */
export interface Known<R> {
  /** `undefined`: not in the store. */
  readonly record: R | undefined;
}

type Caches = { readonly [E in DirectoryEntity]: RecordCache<Known<DirectoryRecords[E]>> };

/**
 * Caches the records that requests need. Missing records are cached too, because keys can name a
 * team without a record. Clients choose customer ids, so unknown customers have a separate table
 * and cannot evict known ones.
 */
export class DirectoryCache {
  private readonly caches: Caches;
  private readonly stopListening: () => void;

  /** @param maxStaleMs how long a record is used while the store is unavailable */
  constructor(store: DirectoryStore, maxStaleMs: number) {
    const cacheOf = <E extends DirectoryEntity>(entity: E): RecordCache<Known<DirectoryRecords[E]>> => {
      const find = async (id: string): Promise<Known<DirectoryRecords[E]> | undefined> => {
        const record = await (store.lookUp === undefined ? store.find(entity, id) : store.lookUp(entity, id));
        return record === undefined && entity === 'customers' ? undefined : { record };
      };
      return new RecordCache(find, maxStaleMs, undefined, store);
    };
    this.caches = Object.fromEntries(DIRECTORY_ENTITIES.map((entity) => [entity, cacheOf(entity)])) as unknown as Caches;
    this.stopListening = store.onChange((entity, id) => this.caches[entity].changed(id));
  }

  /** Returns a record that is cached and fresh. */
  fresh<E extends DirectoryEntity>(entity: E, id: string): Known<DirectoryRecords[E]> | undefined {
    return this.of(entity).fresh(id);
  }

  /** @throws the store's error */
  async get<E extends DirectoryEntity>(entity: E, id: string): Promise<Known<DirectoryRecords[E]>> {
    return (await this.of(entity).get(id)) ?? { record: undefined };
  }

  /** Makes this process read the record again for the next request. */
  changed(entity: DirectoryEntity, id: string | null): void {
    this.caches[entity].changed(id);
  }

  close(): void {
    this.stopListening();
  }

  private of<E extends DirectoryEntity>(entity: E): RecordCache<Known<DirectoryRecords[E]>> {
    return this.caches[entity];
  }
}
