import type { LiteLLMRow } from '../../postgres/litellm-source.js';
import { dateOf } from './litellm-values.js';

/** For rows of old versions, which have no `created_at`. */
const NO_DATE = '1970-01-01T00:00:00.000Z';

/** The version of a record: its number, and when it was created and changed. */
interface RecordVersion {
  readonly revision?: number;
  readonly createdAt?: string;
  readonly updatedAt?: string;
}

/** The first version of an imported record. The same time twice: a change here sets a later one. */
export function versionOf(row: LiteLLMRow): Required<RecordVersion> {
  const createdAt = dateOf(row.created_at) ?? NO_DATE;
  return { revision: 1, createdAt, updatedAt: createdAt };
}

/** Whether a record is as an import has left it. */
export function isUntouched(record: RecordVersion, imported: RecordVersion): boolean {
  return record.createdAt === imported.createdAt && record.updatedAt === imported.createdAt;
}
