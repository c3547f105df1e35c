import type { AuditActor } from '../../common/audit-log.js';
import { InvalidArgumentError } from '../../common/errors.js';
import type { ApiKeyQuery } from '../../keys/api-key-store.js';
import type { ApiKeyService } from '../../keys/api-keys.service.js';

const PAGE = 100;

/** Deletes the keys of a team or user, except keys defined in the configuration. */
export async function deleteKeysOf(keys: ApiKeyService, query: ApiKeyQuery, by: AuditActor): Promise<void> {
  let kept = 0;
  for (;;) {
    const { records } = await keys.search({ ...query, limit: PAGE, offset: kept });
    for (const { publicId } of records) {
      try {
        await keys.delete(publicId, by);
      } catch (error) {
        if (!(error instanceof InvalidArgumentError)) throw error;
        kept++;
      }
    }
    if (records.length < PAGE) return;
  }
}
