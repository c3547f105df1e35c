import type { ApiKeyRecord } from '../api-key-record.js';
import type { ApiKeyService } from '../api-keys.service.js';
import { statusOf } from '../key-search.js';
import { fieldsOf, type KeyFields } from './key-fields.js';
import type { BudgetReport } from '../../rate-limit/rate-limit.service.js';

/**
 * LiteLLM's fields of a key, with its status and spend: in the current window of its budget or,
 * without one, in total.
 */
export async function keyRowOf(keys: ApiKeyService, record: ApiKeyRecord): Promise<KeyFields> {
  return rowOf(keys, record, await keys.spendingOf(record));
}

/** The same after a change: a spend that cannot be read is `null`, because the key has changed. */
export async function changedKeyRowOf(keys: ApiKeyService, record: ApiKeyRecord): Promise<KeyFields> {
  return rowOf(keys, record, await keys.spendingOf(record).catch(() => undefined));
}

function rowOf(keys: ApiKeyService, record: ApiKeyRecord, spending: BudgetReport | undefined): KeyFields {
  return {
    ...fieldsOf(record),
    status: statusOf(record, Date.now()),
    spend: spending?.spentUsd ?? null,
    budget_reset_at: spending?.resetsAt?.toISOString() ?? null,
    last_active: keys.lastUsedAt(record.publicId)?.toISOString() ?? null,
  };
}
