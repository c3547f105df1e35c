import type { ApiKeyRecord } from './api-key-record.js';
import { aliasTaken, type ApiKeyStore } from './api-key-store.js';

/** Keeps keys in the memory of this process: they are lost when it ends. */
export class MemoryApiKeyStore implements ApiKeyStore {
  readonly kind = 'memory';
  private readonly records = new Map<string, ApiKeyRecord>();

  findByPublicId(publicId: string): Promise<ApiKeyRecord | undefined> {
    return Promise.resolve(this.records.get(publicId));
  }

  list(): Promise<readonly ApiKeyRecord[]> {
    return Promise.resolve([...this.records.values()]);
  }

  put(record: ApiKeyRecord): Promise<boolean> {
    const { publicId, alias, revision } = record;
    const isTaken = alias !== undefined && [...this.records.values()].some((each) => each.alias === alias && each.publicId !== publicId);
    if (isTaken) return Promise.reject(aliasTaken(alias));
    const isNext = revision === (this.records.get(publicId)?.revision ?? 0) + 1;
    if (isNext) this.records.set(publicId, record);
    return Promise.resolve(isNext);
  }

  delete(publicId: string): Promise<boolean> {
    return Promise.resolve(this.records.delete(publicId));
  }
}
