import { errorMessage, FastLiteLLMError, InvalidArgumentError } from '../../common/errors.js';
import type { CommandSender, RedisClient } from '../../common/redis/client.js';
import { withinTime } from '../../common/redis/deadline.js';
import { StoreFailure } from '../outage/store-failure.js';

/** Dependencies of a scan besides the store's client. */
interface ScannedClient extends RedisClient {
  readonly options?: { readonly keyPrefix?: string };
  /** Of a Cluster: clients of its masters. */
  nodes?(role: 'master'): readonly CommandSender[];
}

/** Names of keys, and where the next page begins. */
export interface KeyPage {
  readonly keys: readonly string[];
  readonly cursor?: string;
}

/**
 * Finds keys by a glob, page by page, on all nodes of a Cluster. A cursor is `NODE:CURSOR`; a key
 * may appear twice while Redis grows its tables.
 */
export class RedisKeyScan {
  constructor(
    private readonly client: ScannedClient,
    private readonly timeoutMs: number,
  ) {}

  /**
   * @throws InvalidArgumentError for an invalid cursor; FastLiteLLMError while Redis is
   * unavailable.
   */
  async page(pattern: string, count: number, cursor = '0:0'): Promise<KeyPage> {
    const [, node, at] = /^(\d{1,4}):(\d{1,20})$/.exec(cursor) ?? [];
    const nodes = this.client.nodes?.('master') ?? [this.client];
    const place = Number(node);
    if (!(place < nodes.length)) throw new InvalidArgumentError('cursor', cursor, 'must be a cursor from an earlier page');
    const { keyPrefix = '' } = this.client.options ?? {};
    const scan = nodes[place].createBuiltinCommand('scan').string;
    const scanned = scan.call(nodes[place], at, 'MATCH', keyPrefix + pattern, 'COUNT', count);
    const [next, keys] = (await withinTime(scanned, this.timeoutMs).catch(unavailable)) as [string, string[]];
    const last = place + 1 === nodes.length;
    const following = next === '0' ? (last ? undefined : `${place + 1}:0`) : `${place}:${next}`;
    return { keys: [...new Set(keys)].map((key) => key.slice(keyPrefix.length)), cursor: following };
  }
}

/** The error of an administrative call that Redis has not answered. */
export function unavailable(failure: unknown): never {
  const reason = failure instanceof StoreFailure ? failure.reason : errorMessage(failure);
  throw new FastLiteLLMError('STORE_UNAVAILABLE', `the Redis store cannot be reached: ${reason}`);
}
