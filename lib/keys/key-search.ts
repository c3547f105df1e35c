import type { ApiKeyRecord } from './api-key-record.js';
import type { ApiKeyPage, ApiKeyQuery, ApiKeyStatus } from './api-key-store.js';

/** As LiteLLM calls it. */
export function statusOf({ blocked, expiresAt }: ApiKeyRecord, nowMs: number): ApiKeyStatus {
  if (blocked === true) return 'revoked';
  return expiresAt !== undefined && Date.parse(expiresAt) <= nowMs ? 'expired' : 'active';
}

/** The records of a list that match, the newest first. */
export function matching(records: readonly ApiKeyRecord[], query: ApiKeyQuery, nowMs: number): readonly ApiKeyRecord[] {
  const { user, team, alias, publicId, status } = query;
  const search = query.search?.toLowerCase();
  const found = records.filter(
    (record) =>
      (user === undefined || record.user === user) &&
      (team === undefined || record.team === team) &&
      (alias === undefined || record.alias === alias) &&
      (search === undefined || record.publicId === query.search || record.alias?.toLowerCase().startsWith(search) === true) &&
      (publicId === undefined || record.publicId === publicId) &&
      (status === undefined || statusOf(record, nowMs) === status),
  );
  return found.sort((a, b) => (b.createdAt ?? '').localeCompare(a.createdAt ?? '') || a.publicId.localeCompare(b.publicId));
}

export const DEFAULT_LIMIT = 100;

/** The page of a store, then the matching keys of the configuration. */
export async function searchWith(
  search: (query: ApiKeyQuery) => Promise<ApiKeyPage>,
  configured: readonly ApiKeyRecord[],
  query: ApiKeyQuery,
): Promise<ApiKeyPage> {
  const { limit = DEFAULT_LIMIT, offset = 0 } = query;
  const { records, total } = await search({ ...query, limit, offset });
  const from = Math.max(0, offset - total);
  return { records: [...records, ...configured.slice(from, from + limit - records.length)], total: total + configured.length };
}
