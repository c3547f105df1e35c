import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { InvalidConfigurationError } from '../../common/errors.js';
import type { StoredEntity } from './configuration-store.js';
import { StoredConfigurationError } from './stored-errors.js';

/** The place of a value. An encrypted value is valid there only. */
export interface SealedPlace {
  readonly entity: StoredEntity;
  readonly id: string;
  /** `litellm_params.api_key` */
  readonly field: string;
  /** Where the row sends its secrets; empty if it has no address. */
  readonly address: string;
}

const ALGORITHM = 'aes-256-gcm';
const VERSION = 'v1';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ID_LENGTH = 8;
const SHORTEST = 16;
/** Separates these keys from all others that are derived from the same secret. */
const SALT = 'nestjs-fast-litellm configuration';
const SEALED = /^v1\.([0-9a-f]{8})\.([\w-]+)$/;

const NEW_KEY = 'create one with `openssl rand -base64 32`';

/** A key derived from a salt key, and the id that names it in encrypted values. */
interface DerivedKey {
  readonly id: string;
  readonly bytes: Buffer;
}

/**
 * Encrypts and decrypts single values with AES-256-GCM. The key is derived from a salt key with
 * HKDF-SHA256. An encrypted value is `v1.<key id>.<nonce, ciphertext and tag in base64url>`. Its
 * place is authenticated with it: in another row or field, or in a row whose address was changed by
 * hand, it cannot be decrypted.
 */
export class SaltKeys {
  private readonly current: DerivedKey;
  private readonly readable: ReadonlyMap<string, DerivedKey>;

  /**
   * @param others further keys that can be read, during a rotation
   * @throws InvalidConfigurationError for a key that is too short
   */
  constructor(current: string, others: readonly string[] = []) {
    this.current = derived(checkSaltKey('admin.saltKey', current));
    const more = others.map((key, index) => derived(checkSaltKey(`admin.otherSaltKeys[${index}]`, key)));
    this.readable = new Map([...more, this.current].map((key) => [key.id, key]));
  }

  /** The id of the key that encrypts. */
  get id(): string {
    return this.current.id;
  }

  /** Encrypts a value of JSON. */
  seal(place: SealedPlace, value: unknown): string {
    const { id, bytes } = this.current;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, bytes, nonce).setAAD(placeBytes(place));
    const text = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()]);
    return `${VERSION}.${id}.${Buffer.concat([nonce, text, cipher.getAuthTag()]).toString('base64url')}`;
  }

  /**
   * Decrypts a value.
   * @throws StoredConfigurationError (`SALT_KEY_WRONG`) if it was encrypted with another key, or
   * was changed or moved
   */
  open(place: SealedPlace, sealed: string): unknown {
    const [, keyId, base64] = SEALED.exec(sealed) ?? [];
    const at = `${place.entity} ${place.id}: ${place.field}`;
    if (keyId === undefined) throw new StoredConfigurationError('SALT_KEY_WRONG', `${at}: is not an encrypted value`);
    const key = this.readable.get(keyId);
    if (key === undefined) {
      const known = [...this.readable.keys()].join(', ');
      const reason = `was encrypted with the salt key ${keyId}, and this process has ${known}`;
      throw new StoredConfigurationError('SALT_KEY_WRONG', `${at}: ${reason}; set LITELLM_SALT_KEY to the key that encrypted it`);
    }
    const bytes = Buffer.from(base64, 'base64url');
    try {
      const decipher = createDecipheriv(ALGORITHM, key.bytes, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
      decipher.setAAD(placeBytes(place)).setAuthTag(bytes.subarray(-TAG_BYTES));
      const text = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
      return JSON.parse(text.toString('utf8')) as unknown;
    } catch {
      throw new StoredConfigurationError('SALT_KEY_WRONG', `${at}: the row or its address was changed outside of the admin API`);
    }
  }

  /** Whether a value was encrypted with the current key. */
  isCurrent(sealed: string): boolean {
    return SEALED.exec(sealed)?.[1] === this.current.id;
  }

  /** Whether this process has the key of a value. */
  canRead(sealed: string): boolean {
    return this.readable.has(SEALED.exec(sealed)?.[1] ?? '');
  }
}

/** @throws InvalidConfigurationError, without the key */
export function checkSaltKey(path: string, value: unknown): string {
  if (typeof value === 'string' && value.trim() === value && value.length >= SHORTEST) return value;
  throw new InvalidConfigurationError(path, `must have at least ${SHORTEST} characters, without leading or trailing spaces; ${NEW_KEY}`);
}

/**
 * Who has the master key, for example a client, must not be able to decrypt a copy of the database.
 * @throws InvalidConfigurationError
 */
export function refuseMasterKey(saltKeys: readonly string[], isMasterKey: (key: string) => boolean): void {
  if (!saltKeys.some(isMasterKey)) return;
  throw new InvalidConfigurationError('admin.saltKey', `must differ from the master key; ${NEW_KEY}`);
}

function derived(saltKey: string): DerivedKey {
  const part = (info: string, length: number): Buffer => Buffer.from(hkdfSync('sha256', saltKey, SALT, info, length));
  return { id: part('key id', ID_LENGTH / 2).toString('hex'), bytes: part('values', KEY_BYTES) };
}

function placeBytes({ entity, id, field, address }: SealedPlace): Buffer {
  return Buffer.from(JSON.stringify([VERSION, entity, id, field, address]));
}
