import type { Redis } from 'ioredis';
import type { RedisClient, SendCommand } from '../../lib/common/redis/client.js';
import { OperationKind } from '../../lib/rate-limit/redis/protocol.js';

/**
 * A client whose Redis a test takes away: `down` sends nothing; `mute` performs what is sent, but
 * no reply arrives; `lost` the same for merged spend alone.
 */
export class SwitchedRedis {
  state: 'up' | 'down' | 'mute' | 'lost' = 'up';
  /** Replies that were lost. */
  lost = 0;
  readonly client: RedisClient;

  constructor(
    redis: Redis,
    base: RedisClient = redis,
    private readonly answering: RedisClient = base,
  ) {
    const refuse = (): Promise<never> => Promise.reject(new Error('Connection is closed.'));
    const switched =
      (send: SendCommand): SendCommand =>
      async (...values) => {
        if (this.state === 'down') return refuse();
        const reply = await send.call(this.answering, ...values);
        if (this.state === 'up' || (this.state === 'lost' && !merges(values))) return reply;
        this.lost++;
        return refuse();
      };
    this.client = {
      status: 'ready',
      ping: () => (this.state === 'down' ? refuse() : redis.ping()),
      on: () => {},
      off: () => {},
      createBuiltinCommand: (name) => {
        const { buffer, string } = base.createBuiltinCommand(name);
        return { buffer: switched(buffer), string: switched(string) };
      },
    };
  }
}

/** Whether a script call has an operation that merges. */
function merges(values: readonly (string | number)[]): boolean {
  const argument = String(values.at(-1));
  if (!argument.startsWith('[')) return false;
  const [, operations] = JSON.parse(argument) as [unknown, unknown[]];
  // Its name comes after its kind and the number of its values.
  return operations.some(
    (value, i) => value === OperationKind.mergeSpent && operations[i + 1] === 3 && typeof operations[i + 2] === 'string',
  );
}
