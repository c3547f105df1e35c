import { withinTime } from '../../common/redis/deadline.js';
import { failureReason, isReplyError } from '../../common/redis/own-client.js';
import type { RedisClient, SendCommand } from './client.js';
import type { RedisKeys } from './keys.js';
import { StoreFailure } from './script-queue.js';

const TTL_MS = 1_000;

/** Whether Redis writes: one that is out of memory, cannot save or is a replica answers a ping and a read. */
export class RedisWriteTest {
  private readonly set: SendCommand;

  constructor(
    private readonly client: RedisClient,
    private readonly keys: RedisKeys,
    private readonly timeoutMs: number,
  ) {
    this.set = client.createBuiltinCommand('set').buffer;
  }

  /** Writes a key that expires, in a Cluster on the node of this hash tag: `undefined` when Redis has written it, otherwise why it has not. */
  async failure(tag: string): Promise<StoreFailure | undefined> {
    try {
      await withinTime(this.set.call(this.client, this.keys.probe(tag), 1, 'PX', TTL_MS), this.timeoutMs);
      return undefined;
    } catch (error) {
      return new StoreFailure(isReplyError(error) ? 'reply' : 'connection', failureReason(error), tag);
    }
  }
}
