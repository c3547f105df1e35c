import { isDeepStrictEqual } from 'node:util';
import { DatabaseError, errorMessage } from '../../common/errors.js';
import type { DirectoryEntity, DirectoryRecords } from '../../directory/directory-records.js';
import type { DirectoryStore } from '../../directory/directory-store.js';
import type { ImportFindings } from './findings.js';
import { isUntouched } from './imported-version.js';
import type { ImportOutcome } from './key-target.js';

const CONCURRENT_WRITES = 8;

/** A record to write, and what that does. */
export interface PlannedRecord<E extends DirectoryEntity> {
  readonly record: DirectoryRecords[E];
  readonly outcome: ImportOutcome;
}

/** The store that receives teams, users and what limits them. */
export class DirectoryTarget {
  constructor(
    private readonly store: DirectoryStore,
    private readonly findings: ImportFindings,
    private readonly isDryRun: boolean,
  ) {}

  /**
   * Writes records; one that the store rejects does not stop the others.
   * @returns those that were written
   * @throws DatabaseError if the store is unavailable
   */
  async write<E extends DirectoryEntity>(entity: E, records: readonly DirectoryRecords[E][]): Promise<readonly PlannedRecord<E>[]> {
    const existing = await this.existing(entity, records);
    const planned = records.map((record) => plan<E>(existing.get(record.id), record));
    if (this.isDryRun) return planned;
    const failed = new Set<PlannedRecord<E>>();
    const waiting = planned.filter(({ outcome }) => outcome === 'created' || outcome === 'updated');
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const reason = await this.put(entity, next);
        if (reason === undefined) continue;
        failed.add(next);
        this.findings.fail(entity, next.record.id, reason);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENT_WRITES }, worker));
    return planned.filter((each) => !failed.has(each));
  }

  /** @returns why it was not written */
  private async put<E extends DirectoryEntity>(entity: E, { record, outcome }: PlannedRecord<E>): Promise<string | undefined> {
    const action = outcome === 'created' ? 'imported' : 'updated';
    try {
      const entry = { actor: 'import-keys', action, entity, entityId: record.id, after: record };
      return (await this.store.put(entity, record, entry)) ? undefined : 'was changed during the import; run the import again';
    } catch (error) {
      if (error instanceof DatabaseError) throw error;
      return errorMessage(error);
    }
  }

  private async existing<E extends DirectoryEntity>(
    entity: E,
    records: readonly DirectoryRecords[E][],
  ): Promise<ReadonlyMap<string, DirectoryRecords[E]>> {
    if (records.length === 0) return new Map();
    try {
      const page = await this.store.list(entity, { ids: records.map(({ id }) => id), limit: records.length });
      return new Map(page.records.map((record) => [record.id, record]));
    } catch (error) {
      if (this.isDryRun && error instanceof DatabaseError && error.code === 'DATABASE_NOT_MIGRATED') return new Map();
      throw error;
    }
  }
}

function plan<E extends DirectoryEntity>(before: DirectoryRecords[E] | undefined, imported: DirectoryRecords[E]): PlannedRecord<E> {
  if (before === undefined) return { record: imported, outcome: 'created' };
  if (!isUntouched(before, imported)) return { record: before, outcome: 'kept' };
  if (isDeepStrictEqual({ ...before, revision: 1 }, { ...imported, revision: 1 })) return { record: before, outcome: 'unchanged' };
  return { record: { ...imported, revision: (before.revision ?? 1) + 1 }, outcome: 'updated' };
}
