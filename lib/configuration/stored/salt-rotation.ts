import type { ConfigurationStore, StoredRow } from './configuration-store.js';
import type { SaltKeys } from './salt-keys.js';
import { placeOf } from './sealed-rows.js';
import { StoredConfigurationError } from './stored-errors.js';

/** Result of a rotation. */
export interface SaltRotation {
  /** Rows that were encrypted again. */
  readonly rotated: number;
  /** Rows that had no value of another key. */
  readonly unchanged: number;
}

const MOST_CONFLICTS = 5;
/** Reads the rows again, because processes can still write with the former key. */
const MOST_PASSES = 10;

/**
 * Encrypts all secrets of a store with the current key. Each row is written separately, and its
 * content does not change: the next rotation continues an interrupted one, and until then,
 * processes with both keys can read all rows.
 * @param keys the new key, which can also decrypt values of the old one
 * @throws StoredConfigurationError (`SALT_KEY_WRONG`) naming a value that neither key can decrypt;
 * rows before it are rotated
 */
export async function rotateSalt(store: ConfigurationStore, keys: SaltKeys): Promise<SaltRotation> {
  let rotated = 0;
  for (let round = 0; round < MOST_PASSES; round++) {
    const rows = await store.list();
    const due = rows.filter(({ sealed }) => Object.values(sealed).some((value) => !keys.isCurrent(value)));
    if (due.length === 0) return { rotated, unchanged: rows.length - rotated };
    for (const row of due) if (await rotateRow(store, row, keys)) rotated++;
  }
  throw new StoredConfigurationError(
    'CONFIGURATION_CONFLICT',
    'other processes still write with the old salt key; give them the new key first',
  );
}

/** Returns `false` if the row was deleted. */
async function rotateRow(store: ConfigurationStore, found: StoredRow, keys: SaltKeys): Promise<boolean> {
  let row: StoredRow | undefined = found;
  for (let attempt = 0; attempt < MOST_CONFLICTS && row !== undefined; attempt++) {
    const { revision } = row;
    const sealed = resealed(row, keys);
    if (await store.put({ ...row, revision: revision + 1, sealed })) return true;
    row = (await store.list()).find(({ entity, id }) => entity === found.entity && id === found.id);
  }
  if (row === undefined) return false;
  throw new StoredConfigurationError(
    'CONFIGURATION_CONFLICT',
    `${found.entity} ${found.id}: other processes are changing it; run the command again`,
  );
}

function resealed(row: StoredRow, keys: SaltKeys): StoredRow['sealed'] {
  const entries = Object.entries(row.sealed).map(([field, value]) => {
    const place = placeOf(row, field);
    return [field, keys.isCurrent(value) ? value : keys.seal(place, keys.open(place, value))];
  });
  return Object.fromEntries(entries) as StoredRow['sealed'];
}
