import { withinTime } from '../../common/redis/deadline.js';
import { failureReason, isReplyError, type RedisClient, type SendCommand } from '../../common/redis/client.js';
import type { RedisKeys } from './keys.js';
import { StoreFailure } from '../outage/store-failure.js';

const TTL_MS = 1_000;

/**
 * Tests whether Redis accepts writes: out of memory, unable to save, or as a replica, it still
 * answers pings and reads.
 */
export class RedisWriteTest {
  private readonly set: SendCommand;

  constructor(
    private readonly client: RedisClient,
    private readonly keys: RedisKeys,
    private readonly timeoutMs: number,
  ) {
    this.set = client.createBuiltinCommand('set').buffer;
  }

  /**
   * Writes a key that expires, in a Cluster on the node of this hash tag; `undefined` when Redis
   * has written it.
   */
  async failure(tag: string): Promise<StoreFailure | undefined> {
    try {
      await withinTime(this.set.call(this.client, this.keys.probe(tag), 1, 'PX', TTL_MS), this.timeoutMs);
      return undefined;
    } catch (error) {
      return new StoreFailure(isReplyError(error) ? 'reply' : 'connection', failureReason(error), tag);
    }
  }
}
