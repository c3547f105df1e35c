import { join } from 'node:path';
import { errorMessage } from '../../common/errors.js';
import { RedisCircuitBreaker } from '../../common/redis/circuit-breaker.js';
import {
  failureReason,
  isReplyError,
  openRedisClient,
  type OwnedRedisClient,
  type RedisClient,
  type SendCommand,
} from '../../common/redis/client.js';
import { LuaScript, readLua } from '../../common/redis/lua-script.js';
import type { ApiKeyRecord } from '../api-key-record.js';
import { aliasTaken } from '../api-key-store.js';

/** How a store connects. */
export interface KeyConnectionOptions {
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

/** Hears of a changed key; `null`: any key may have changed. */
export type ChangeListener = (publicId: string | null) => void;

/** Hash tag of all names: in a Cluster they are on one node. */
const HASH_TAG = 'keys';
const ALIAS_TAKEN = -1;
/** Records in one answer of a scan: Redis serves other clients between two of them. */
const SCAN_COUNT = 500;

/** The connections of one store. */
export class KeyConnection {
  private readonly owned: OwnedRedisClient | undefined;
  private readonly client: RedisClient;
  private readonly subscriber: Subscriber | undefined;
  /** Why Redis refused the subscription, such as for missing permissions. */
  private subscriptionFault: string | undefined = undefined;
  private readonly breaker: RedisCircuitBreaker;
  private readonly hget: SendCommand;
  private readonly hscan: SendCommand;
  private readonly putScript: LuaScript;
  private readonly deleteScript: LuaScript;
  private readonly hash: string;
  private readonly aliases: string;
  private readonly channel: string;

  constructor(
    private readonly options: KeyConnectionOptions,
    private readonly changed: ChangeListener,
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
    return this.breaker.refusal(HASH_TAG) ?? this.subscriptionFault;
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
      return await this.breaker.watch(HASH_TAG, send());
    } catch (error) {
      throw new Error(failureReason(error), { cause: error });
    }
  }

  /** Redis publishes a change once: after each new connection any key may have changed. */
  private subscribe(): Subscriber | undefined {
    const subscriber = this.openSubscriber();
    if (subscriber === undefined) return undefined;
    const begin = (): void => {
      subscriber.subscribe(this.channel).then(
        () => {
          this.subscriptionFault = undefined;
          this.changed(null);
        },
        (error: unknown) => {
          // After a lost connection the next one subscribes again.
          if (isReplyError(error))
            this.subscriptionFault = `key changes take effect only after 10 s, because SUBSCRIBE failed: ${errorMessage(error)}`;
        },
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
