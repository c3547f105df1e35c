import { fieldsOf, type Fields } from '../../common/objects.js';
import type { StoredEntity, StoredRow } from './configuration-store.js';
import type { SaltKeys, SealedPlace } from './salt-keys.js';
import { StoredConfigurationError } from './stored-errors.js';
import { addressKeyOf, divided, dividedSettings } from './stored-values.js';

/** The part of a row's `plain` whose values can be secret. */
const SECTIONS: Readonly<Record<StoredEntity, string>> = {
  models: 'litellm_params',
  credentials: 'credential_values',
  settings: 'values',
};

const NO_SALT_KEY =
  'secrets cannot be stored without a salt key; set LITELLM_SALT_KEY or admin.saltKey (`openssl rand -base64 32` creates one)';

/** The content of a row, decrypted. */
export interface RowContent {
  /** Everything but the values of the section. */
  readonly facts: Fields;
  /** `litellm_params`, `credential_values`, or the values of a setting. */
  readonly values: Fields;
}

/**
 * Encrypts the secret values of a row.
 * @throws StoredConfigurationError (`SALT_KEY_MISSING`) if there are any, and no salt key
 */
export function sealedContent(
  entity: StoredEntity,
  id: string,
  { facts, values }: RowContent,
  keys: SaltKeys | undefined,
): Pick<StoredRow, 'plain' | 'sealed'> {
  const section = SECTIONS[entity];
  const { plain, secret } = entity === 'settings' ? dividedSettings(values) : divided(values);
  const address = addressKeyOf(plain);
  const sealed = Object.entries(secret).map(([name, value]) => {
    if (keys === undefined) throw new StoredConfigurationError('SALT_KEY_MISSING', `${section}.${name}: ${NO_SALT_KEY}`);
    const field = `${section}.${name}`;
    return [field, keys.seal({ entity, id, field, address }, value)] as const;
  });
  return { plain: { ...facts, [section]: plain }, sealed: Object.fromEntries(sealed) };
}

/**
 * Decrypts a row.
 * @throws StoredConfigurationError (`SALT_KEY_MISSING`, `SALT_KEY_WRONG`)
 */
export function openedContent(row: StoredRow, keys: SaltKeys | undefined): RowContent {
  const section = SECTIONS[row.entity];
  const { [section]: plain, ...facts } = row.plain;
  const values: Record<string, unknown> = { ...fieldsOf(plain) };
  for (const [field, sealed] of Object.entries(row.sealed)) {
    if (keys === undefined) {
      const at = `${row.entity} ${row.id}: ${field}`;
      throw new StoredConfigurationError('SALT_KEY_MISSING', `${at}: is encrypted; set LITELLM_SALT_KEY to the key that encrypted it`);
    }
    const value = keys.open(placeOf(row, field), sealed);
    if (field.startsWith(`${section}.`)) values[field.slice(section.length + 1)] = value;
  }
  return { facts, values };
}

/** The place of an encrypted value of a row. */
export function placeOf({ entity, id, plain }: StoredRow, field: string): SealedPlace {
  return { entity, id, field, address: addressKeyOf(fieldsOf(plain[SECTIONS[entity]])) };
}
