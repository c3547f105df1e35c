import type { AuditActor } from '../../common/audit-log.js';
import { InvalidArgumentError } from '../../common/errors.js';
import type { ApiKeyQuery } from '../../keys/api-key-store.js';
import type { ApiKeyService } from '../../keys/api-keys.service.js';

const PAGE = 100;

/** Deletes the keys of a team or user, except keys defined in the configuration. */
export async function deleteKeysOf(keys: ApiKeyService, query: ApiKeyQuery, by: AuditActor): Promise<void> {
  for (let offset = 0; ;) {
    const { records, total } = await keys.search({ ...query, limit: PAGE, offset });
    let deleted = 0;
    for (const { publicId } of records) {
      try {
        if (await keys.delete(publicId, by)) deleted++;
      } catch (error) {
        if (!(error instanceof InvalidArgumentError)) throw error;
      }
    }
    // Deleted keys make room for the next ones. A page can lack unreadable keys.
    if (deleted === 0) offset += PAGE;
    if (offset >= total) return;
  }
}
