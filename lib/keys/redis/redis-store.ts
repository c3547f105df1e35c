import { jsonIn } from '../../common/objects.js';
import { errorMessage, InvalidConfigurationError } from '../../common/errors.js';
import { custom, integer, resolveOptions, type OptionsOf } from '../../common/option.js';
import {
  checkRedisClient,
  checkRedisConnection,
  checkRedisPrefix,
  checkRedisUrl,
  DEFAULT_PREFIX,
  type RedisClient,
} from '../../common/redis/client.js';
import { checkApiKeyRecord, type ApiKeyRecord } from '../api-key-record.js';
import type { ApiKeyStore } from '../api-key-store.js';
import type * as Links from './key-connection.js';
import type { ChangeListener, KeyConnection, KeyConnectionOptions } from './key-connection.js';

export const REDIS_KEY_STORE = {
  /** `redis://…` or `rediss://…`: opens two connections for the store. Either this or `client`. */
  url: custom<string>('`redis://` URL', (path, value) => checkRedisUrl(path, value)),
  /**
   * A client of `ioredis` that the app already has (`Redis` or `Cluster`). The store duplicates it
   * to subscribe to changes, and closes only the duplicate.
   */
  client: custom<RedisClient>('client of `ioredis`', checkRedisClient),
  /** Prefix of all key names. Default `fast-litellm:`. */
  prefix: custom<string>('string', checkRedisPrefix, DEFAULT_PREFIX),
  /** Longest wait for Redis, in ms. Default 250. */
  timeoutMs: integer({ min: 1, max: 60_000, default: 250 }),
};

/** Options of `redisApiKeyStore`. */
export interface RedisApiKeyStoreOptions extends OptionsOf<typeof REDIS_KEY_STORE> {}

/** Unreadable records that health remembers. */
const MOST_UNREADABLE = 100;

/**
 * Stores keys in a Redis hash (`<prefix>{keys}`, and their aliases in another one), without
 * secrets, for any number of processes. Changes reach all of them at once through Pub/Sub.
 *
 * @throws InvalidConfigurationError naming the option (`redis.timeoutMs`); MissingPackageError
 * without ioredis, when the app starts.
 * @example
 * FastLiteLLMKeysModule.forRoot({ store: redisApiKeyStore({ url: 'redis://localhost:6379' }) })
 */
export function redisApiKeyStore(options: RedisApiKeyStoreOptions): ApiKeyStore {
  const resolved = resolveOptions(REDIS_KEY_STORE, 'redis', options);
  checkRedisConnection('redis', resolved);
  return new RedisApiKeyStore(resolved);
}

class RedisApiKeyStore implements ApiKeyStore {
  readonly kind = 'redis';
  private connection: KeyConnection | undefined = undefined;
  /** Unreadable records by public id, with the reason. */
  private readonly unreadable = new Map<string, string>();
  private readonly listeners = new Set<ChangeListener>();

  constructor(private readonly options: KeyConnectionOptions) {}

  async findByPublicId(publicId: string): Promise<ApiKeyRecord | undefined> {
    const text = await this.open().find(publicId);
    this.unreadable.delete(publicId);
    return text === null ? undefined : this.read(publicId, text);
  }

  async put(record: ApiKeyRecord): Promise<boolean> {
    return this.open().put(record);
  }

  async delete(publicId: string): Promise<boolean> {
    this.unreadable.delete(publicId);
    return this.open().delete(publicId);
  }

  /**
   * A key that changes during the scan may come twice: the later one counts. A record that cannot
   * be read is omitted, so that it does not keep the others from being managed.
   */
  async list(): Promise<readonly ApiKeyRecord[]> {
    const records = new Map<string, ApiKeyRecord>();
    this.unreadable.clear();
    for await (const [publicId, text] of this.open().scan()) {
      try {
        records.set(publicId, this.read(publicId, text));
      } catch {
        records.delete(publicId);
      }
    }
    return [...records.values()];
  }

  onChange(listener: ChangeListener): () => void {
    this.listeners.add(listener);
    this.open();
    return () => this.listeners.delete(listener);
  }

  fault(): string | undefined {
    const [first] = this.unreadable.values();
    return this.connection?.fault() ?? first;
  }

  close(): void {
    this.connection?.close();
    this.connection = undefined;
  }

  private read(publicId: string, text: string): ApiKeyRecord {
    try {
      return readRecord(publicId, text);
    } catch (error) {
      if (this.unreadable.size < MOST_UNREADABLE) this.unreadable.set(publicId, errorMessage(error));
      throw error;
    }
  }

  private open(): KeyConnection {
    if (this.connection !== undefined) return this.connection;
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with Redis load it
    const { KeyConnection } = require('./key-connection.js') as typeof Links;
    return (this.connection = new KeyConnection(this.options, (publicId) => {
      for (const listener of this.listeners) listener(publicId);
    }));
  }
}

/** @throws InvalidConfigurationError for a record that this version cannot read. */
function readRecord(publicId: string, text: string): ApiKeyRecord {
  const path = `the record of the API key ${publicId} in Redis`;
  const content = jsonIn(text);
  // Without the parser's message, which has a part of the text.
  if (content === undefined) throw new InvalidConfigurationError(path, 'must be valid JSON');
  const record = checkApiKeyRecord(path, content);
  if (record.publicId === publicId) return record;
  throw new InvalidConfigurationError(path, 'must have the same public id');
}
