import type { ApiKeyRecord, ApiKeyStore } from 'nestjs-fast-litellm';

/** A store of keys in this process, which can go away, wait, and count what it is asked. */
export class MemoryKeyStore implements ApiKeyStore {
  readonly kind = 'memory';
  readonly records = new Map<string, ApiKeyRecord>();
  lookups = 0;
  /** Why it does not answer. */
  failure: string | undefined;
  /** What is wrong although it answers. */
  wrong: string | undefined;
  /** Look-ups wait for it. */
  gate: Promise<void> = Promise.resolve();
  private readonly listeners = new Set<(publicId: string | null) => void>();

  async findByPublicId(publicId: string): Promise<ApiKeyRecord | undefined> {
    this.lookups++;
    const record = this.records.get(publicId);
    await this.gate;
    if (this.failure !== undefined) throw new Error(this.failure);
    return record;
  }

  async put(record: ApiKeyRecord): Promise<boolean> {
    if (this.failure !== undefined) throw new Error(this.failure);
    const isNext = record.revision === (this.records.get(record.publicId)?.revision ?? 0) + 1;
    if (isNext) this.records.set(record.publicId, record);
    return isNext;
  }

  async delete(publicId: string): Promise<boolean> {
    if (this.failure !== undefined) throw new Error(this.failure);
    return this.records.delete(publicId);
  }

  async list(): Promise<readonly ApiKeyRecord[]> {
    if (this.failure !== undefined) throw new Error(this.failure);
    return [...this.records.values()];
  }

  fault(): string | undefined {
    return this.wrong;
  }

  onChange(listener: (publicId: string | null) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** As if another process had changed a key. */
  tell(publicId: string | null): void {
    for (const listener of this.listeners) listener(publicId);
  }
}
