import { isDeepStrictEqual } from 'node:util';
import type { AuditEntry } from '../../common/audit-log.js';
import { DatabaseError, errorMessage } from '../../common/errors.js';
import type { ApiKeyRecord } from '../../keys/api-key-record.js';
import type { ApiKeyStore } from '../../keys/api-key-store.js';
import type { ImportFindings } from './findings.js';
import { isUntouched } from './imported-version.js';

/** Result for a row. `kept`: it was changed here since the last import. */
export type ImportOutcome = 'created' | 'updated' | 'unchanged' | 'kept';

/** A record to write, and what that does. */
export interface PlannedKey {
  readonly record: ApiKeyRecord;
  readonly outcome: ImportOutcome;
}

const CONCURRENT_WRITES = 8;

/** The store that receives keys. Without one, all keys count as created. */
export class KeyTarget {
  private readonly existing = new Map<string, ApiKeyRecord>();
  private readonly aliases = new Map<string, string>();
  private readonly seen = new Map<string, string>();

  constructor(
    private readonly store: ApiKeyStore | undefined,
    private readonly findings: ImportFindings,
  ) {}

  /** Reads the keys that exist. @param isDryRun A schema without tables counts as empty. */
  async open(isDryRun: boolean): Promise<void> {
    for (const record of await this.list(isDryRun)) {
      this.existing.set(record.publicId, record);
      if (record.alias !== undefined) this.aliases.set(record.alias, record.publicId);
    }
  }

  /** @throws Error for a key whose public id another key has. */
  plan(imported: ApiKeyRecord): PlannedKey {
    const { publicId } = imported;
    const [{ sha256 }] = imported.hashes;
    const before = this.existing.get(publicId);
    const holder = this.seen.get(publicId);
    if (holder !== undefined && holder !== sha256) throw new Error('another key already has this public id; generate a new key');
    this.seen.set(publicId, sha256);
    if (before !== undefined && !isUntouched(before, imported)) return { record: before, outcome: 'kept' };
    const record = { ...this.withFreeAlias(imported), revision: before?.revision ?? 1 };
    if (before === undefined) return { record, outcome: 'created' };
    if (isDeepStrictEqual({ ...before, revision: record.revision }, record)) return { record: before, outcome: 'unchanged' };
    return { record: { ...record, revision: (before.revision ?? 1) + 1 }, outcome: 'updated' };
  }

  /**
   * Writes records; one that the store rejects does not stop the others.
   * @returns those that were written
   * @throws DatabaseError if the store is unavailable
   */
  async write(planned: readonly PlannedKey[]): Promise<readonly PlannedKey[]> {
    const changed = planned.filter(({ outcome }) => outcome === 'created' || outcome === 'updated');
    const failed = new Set<PlannedKey>();
    const fail = (key: PlannedKey, reason: string): void => {
      failed.add(key);
      this.findings.fail('keys', key.record.publicId, reason);
    };
    const { store } = this;
    if (store?.putAll !== undefined && changed.length > 0) {
      const written = await store.putAll(changed.map(({ record }) => record));
      changed.forEach((key, at) => written[at] || fail(key, CHANGED_MEANWHILE));
    } else if (store !== undefined) {
      const waiting = [...changed];
      const worker = async (): Promise<void> => {
        for (let key = waiting.shift(); key !== undefined; key = waiting.shift()) {
          const reason = await this.put(store, key).catch((error: unknown) => {
            if (error instanceof DatabaseError) throw error;
            return errorMessage(error);
          });
          if (reason !== undefined) fail(key, reason);
        }
      };
      await Promise.all(Array.from({ length: CONCURRENT_WRITES }, worker));
    }
    return planned.filter((key) => !failed.has(key));
  }

  /** @returns why it was not written */
  private async put(store: ApiKeyStore, { record, outcome }: PlannedKey): Promise<string | undefined> {
    return (await store.put(record, entryOf(record, outcome))) ? undefined : CHANGED_MEANWHILE;
  }

  private async list(isDryRun: boolean): Promise<readonly ApiKeyRecord[]> {
    try {
      return (await this.store?.list()) ?? [];
    } catch (error) {
      if (isDryRun && error instanceof DatabaseError && error.code === 'DATABASE_NOT_MIGRATED') return [];
      throw error;
    }
  }

  /** LiteLLM's database allows an alias for several keys. */
  private withFreeAlias(record: ApiKeyRecord): ApiKeyRecord {
    const { alias, publicId } = record;
    if (alias === undefined) return record;
    const owner = this.aliases.get(alias) ?? publicId;
    if (owner === publicId) {
      this.aliases.set(alias, publicId);
      return record;
    }
    const advice = 'several keys have this alias; all but the first get their public id appended';
    this.findings.add('keys.key_alias', { advice });
    return { ...record, alias: `${alias} (${publicId})` };
  }
}

const CHANGED_MEANWHILE = 'was changed during the import; run the import again';

function entryOf({ hashes, ...record }: ApiKeyRecord, outcome: ImportOutcome): AuditEntry {
  const after = { ...record, secrets: hashes.length };
  return { actor: 'import-keys', action: outcome === 'created' ? 'imported' : 'updated', entity: 'keys', entityId: record.publicId, after };
}
