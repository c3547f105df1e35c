import { join } from 'node:path';
import { errorMessage, InvalidConfigurationError } from '../../common/errors.js';
import { checkInteger, checkKnownKeys, checkObject, joinPath, optional, refuseOption } from '../../common/options.js';
import { RedisCircuitBreaker } from '../../common/redis/circuit-breaker.js';
import {
  checkRedisClient,
  checkRedisPrefix,
  checkRedisUrl,
  failureReason,
  isReplyError,
  openRedisClient,
  type OwnedRedisClient,
  type RedisClient,
  type SendCommand,
} from '../../common/redis/client.js';
import { withinTime } from '../../common/redis/deadline.js';
import { LuaScript, readLua } from '../../common/redis/lua-script.js';
import { checkApiKeyRecord, type ApiKeyRecord } from '../api-key-record.js';
import { aliasTaken, type ApiKeyStore } from '../api-key-store.js';

/** Options of `redisApiKeyStore`. */
export interface RedisApiKeyStoreOptions {
  /** `redis://…` or `rediss://…`: opens two connections for the store. Either this or `client`. */
  readonly url?: string;
  /**
   * A client of `ioredis` that the app already has (`Redis` or `Cluster`). The store duplicates it
   * to hear of changes, and closes the duplicate only.
   */
  readonly client?: RedisClient;
  /** Prefix of all key names. Default `fast-litellm:`. */
  readonly prefix?: string;
  /** Longest wait for Redis, in ms. Default 250. */
  readonly timeoutMs?: number;
}

interface ResolvedOptions {
  readonly url: string | undefined;
  readonly client: RedisClient | undefined;
  readonly prefix: string;
  readonly timeoutMs: number;
}

/** A connection that only hears of changes. */
interface Subscriber extends Omit<OwnedRedisClient, 'on'> {
  on(event: 'ready' | 'message', listener: (...texts: string[]) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  subscribe(channel: string): Promise<unknown>;
}

type Listener = (publicId: string | null) => void;

/** Hash tag of all names: in a Cluster they are on one node. */
const HASH_TAG = 'keys';
const ALIAS_TAKEN = -1;
const DEFAULT_PREFIX = 'fast-litellm:';
const DEFAULT_TIMEOUT_MS = 250;
/** Records in one answer of a scan: Redis serves other clients between two of them. */
const SCAN_COUNT = 500;
/** Unreadable records that health remembers. */
const MOST_UNREADABLE = 100;
const KNOWN: readonly (keyof RedisApiKeyStoreOptions)[] = ['url', 'client', 'prefix', 'timeoutMs'];

/**
 * Keeps keys in a hash of Redis (`<prefix>{keys}`, and their aliases in another one), without
 * secrets, for any number of processes. A change reaches all of them at once, by publish and
 * subscribe.
 *
 * @throws InvalidConfigurationError naming the option (`redis.timeoutMs`); MissingPackageError
 * without ioredis, when the app starts.
 * @example
 * FastLiteLLMKeysModule.forRoot({ store: redisApiKeyStore({ url: 'redis://localhost:6379' }) })
 */
export function redisApiKeyStore(options: RedisApiKeyStoreOptions): ApiKeyStore {
  return new RedisApiKeyStore(resolve(options));
}

class RedisApiKeyStore implements ApiKeyStore {
  readonly kind = 'redis';
  private link: RedisLink | undefined = undefined;
  /** What was wrong with records at the last look: by public id. */
  private readonly unreadable = new Map<string, string>();
  private readonly listeners = new Set<Listener>();

  constructor(private readonly options: ResolvedOptions) {}

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
   * be read is left out, so that it does not keep the others from being managed.
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

  onChange(listener: Listener): () => void {
    this.listeners.add(listener);
    this.open();
    return () => this.listeners.delete(listener);
  }

  fault(): string | undefined {
    const [first] = this.unreadable.values();
    return this.link?.fault() ?? first;
  }

  close(): void {
    this.link?.close();
    this.link = undefined;
  }

  private read(publicId: string, text: string): ApiKeyRecord {
    try {
      return readRecord(publicId, text);
    } catch (error) {
      if (this.unreadable.size < MOST_UNREADABLE) this.unreadable.set(publicId, errorMessage(error));
      throw error;
    }
  }

  private open(): RedisLink {
    return (this.link ??= new RedisLink(this.options, (publicId) => {
      for (const listener of this.listeners) listener(publicId);
    }));
  }
}

/** The connections of one store. */
class RedisLink {
  private readonly owned: OwnedRedisClient | undefined;
  private readonly client: RedisClient;
  private readonly subscriber: Subscriber | undefined;
  private readonly breaker: RedisCircuitBreaker;
  private readonly hget: SendCommand;
  private readonly hscan: SendCommand;
  private readonly putScript: LuaScript;
  private readonly deleteScript: LuaScript;
  private readonly hash: string;
  private readonly aliases: string;
  private readonly channel: string;

  constructor(
    private readonly options: ResolvedOptions,
    private readonly changed: Listener,
  ) {
    const { url, client, prefix, timeoutMs } = options;
    this.owned = url === undefined ? undefined : openOwned(url, timeoutMs, 'fast-litellm-keys');
    this.client = this.owned ?? (client as RedisClient);
    this.breaker = new RedisCircuitBreaker(this.client, timeoutMs);
    this.hget = this.client.createBuiltinCommand('hget').string;
    this.hscan = this.client.createBuiltinCommand('hscan').string;
    const folder = join(__dirname, 'lua');
    this.putScript = new LuaScript(this.client, readLua(folder, 'put.lua'), 'string');
    this.deleteScript = new LuaScript(this.client, readLua(folder, 'delete.lua'), 'string');
    this.hash = `${prefix}{${HASH_TAG}}`;
    this.aliases = `${this.hash}:aliases`;
    this.channel = `${this.hash}:changes`;
    this.subscriber = this.subscribe();
  }

  find(publicId: string): Promise<string | null> {
    return this.ask(() => this.hget.call(this.client, this.hash, publicId)) as Promise<string | null>;
  }

  async put(record: ApiKeyRecord): Promise<boolean> {
    const { publicId, revision = 1, alias = '' } = record;
    const values = [publicId, JSON.stringify(record), revision, this.channel, alias];
    const answer = await this.ask(() => this.putScript.run([this.hash, this.aliases], values));
    if (answer === ALIAS_TAKEN) throw aliasTaken(alias);
    return answer === 1;
  }

  async delete(publicId: string): Promise<boolean> {
    return Number(await this.ask(() => this.deleteScript.run([this.hash, this.aliases], [publicId, this.channel]))) > 0;
  }

  async *scan(): AsyncGenerator<readonly [publicId: string, text: string]> {
    let cursor = '0';
    do {
      const reply = await this.ask(() => this.hscan.call(this.client, this.hash, cursor, 'COUNT', SCAN_COUNT));
      const [next, fields] = reply as readonly [string, readonly string[]];
      for (let at = 0; at < fields.length; at += 2) yield [fields[at], fields[at + 1]];
      cursor = next;
    } while (cursor !== '0');
  }

  fault(): string | undefined {
    return this.breaker.refusal(HASH_TAG);
  }

  close(): void {
    this.breaker.close();
    this.subscriber?.disconnect();
    this.owned?.disconnect();
  }

  private async ask(send: () => Promise<unknown>): Promise<unknown> {
    const refusal = this.breaker.refusal(HASH_TAG);
    if (refusal !== undefined) throw new Error(refusal);
    try {
      const reply = await withinTime(send(), this.options.timeoutMs);
      this.breaker.succeeded(HASH_TAG);
      return reply;
    } catch (error) {
      if (isReplyError(error)) this.breaker.succeeded(HASH_TAG);
      else this.breaker.failed(HASH_TAG, failureReason(error));
      throw new Error(failureReason(error), { cause: error });
    }
  }

  /** Redis publishes a change once: after each new connection any key may have changed. */
  private subscribe(): Subscriber | undefined {
    const subscriber = this.openSubscriber();
    if (subscriber === undefined) return undefined;
    const begin = (): void => {
      subscriber.subscribe(this.channel).then(
        () => this.changed(null),
        // The connection is lost again, and its return begins anew.
        () => {},
      );
    };
    subscriber.on('message', (_channel, publicId) => this.changed(publicId));
    subscriber.on('ready', begin);
    if (subscriber.status === 'ready') begin();
    return subscriber;
  }

  private openSubscriber(): Subscriber | undefined {
    const { url, client, timeoutMs } = this.options;
    if (url !== undefined) return openOwned(url, timeoutMs, 'fast-litellm-keys-changes') as unknown as Subscriber;
    const copy = (client as { duplicate?(): Subscriber }).duplicate?.();
    copy?.on('error', () => {});
    return copy;
  }
}

function openOwned(url: string, timeoutMs: number, connectionName: string): OwnedRedisClient {
  return openRedisClient(url, { purpose: 'the Redis store of API keys', connectionName, timeoutMs });
}

/** @throws InvalidConfigurationError for a record that this version cannot read. */
function readRecord(publicId: string, text: string): ApiKeyRecord {
  const path = `the record of the API key ${publicId} in Redis`;
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    // The parser's message has a part of the text.
    throw new InvalidConfigurationError(path, 'must be JSON');
  }
  const record = checkApiKeyRecord(path, content);
  if (record.publicId === publicId) return record;
  throw new InvalidConfigurationError(path, 'must have the same public id');
}

function resolve(options: RedisApiKeyStoreOptions, path = 'redis'): ResolvedOptions {
  const input = checkObject(path, options);
  checkKnownKeys(path, input, KNOWN);
  const at = (key: keyof RedisApiKeyStoreOptions): string => joinPath(path, key);
  if ((input.url === undefined) === (input.client === undefined)) throw refuseOption(path, options, 'must name either a url or a client');
  return {
    url: optional(input.url, undefined, (value) => checkRedisUrl(at('url'), value)),
    client: optional(input.client, undefined, (value) => checkRedisClient(at('client'), value)),
    prefix: optional(input.prefix, DEFAULT_PREFIX, (value) => checkRedisPrefix(at('prefix'), value)),
    timeoutMs: optional(input.timeoutMs, DEFAULT_TIMEOUT_MS, (value) => checkInteger(at('timeoutMs'), value, { min: 1, max: 60_000 })),
  };
}
