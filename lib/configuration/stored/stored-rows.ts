import { checkInteger, checkObject, checkOneOf, checkString, type Refuse, refuseOption } from '../../common/options.js';
import { unshown } from '../../common/errors.js';
import type { StoredEntity, StoredRow } from './configuration-store.js';

const ENTITIES: readonly StoredEntity[] = ['models', 'credentials', 'settings'];

/** Errors never show a value, because it may be a secret. */
const refuse: Refuse = (path, value, rule) => refuseOption(path, unshown(value), rule);

/**
 * Reads a row that a store has kept.
 * @throws InvalidConfigurationError naming the field, without its value
 */
export function readStoredRow(path: string, value: unknown): StoredRow {
  const row = checkObject(path, value, refuse);
  const text = (name: string): string => checkString(`${path}.${name}`, row[name], refuse);
  const sealed = checkObject(`${path}.sealed`, row.sealed, refuse);
  for (const [field, envelope] of Object.entries(sealed)) checkString(`${path}.sealed.${field}`, envelope, refuse);
  return {
    entity: checkOneOf(`${path}.entity`, row.entity, ENTITIES, refuse),
    id: text('id'),
    revision: checkInteger(`${path}.revision`, row.revision, { min: 1 }, refuse),
    createdAt: text('createdAt'),
    createdBy: text('createdBy'),
    updatedAt: text('updatedAt'),
    updatedBy: text('updatedBy'),
    plain: checkObject(`${path}.plain`, row.plain, refuse),
    sealed: sealed as StoredRow['sealed'],
  };
}
