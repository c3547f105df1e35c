import type { Redis } from 'ioredis';
import { createHash } from 'node:crypto';
import type { RedisClient, SendCommand } from '../../lib/common/redis/client.js';
import { TIMELESS_SCRIPT } from './rate-limit-shadow.js';

const SHA = createHash('sha1').update(TIMELESS_SCRIPT).digest('hex');

/** A client whose rate limit script sees the clock of a test instead of Redis's. */
export function timelessClient(client: Redis, now: () => number): RedisClient {
  const atTime =
    (send: SendCommand, script: string): SendCommand =>
    (_, count, ...values) => {
      const argument = JSON.parse(String(values.pop())) as unknown[];
      for (const place of [3, 4]) argument[place] ??= false;
      argument[5] = now();
      return send.call(client, script, count, ...values, JSON.stringify(argument));
    };
  return {
    status: 'ready',
    ping: () => client.ping(),
    on: () => {},
    off: () => {},
    createBuiltinCommand: (name) => {
      const { buffer, string } = (client as unknown as RedisClient).createBuiltinCommand(name);
      const script = { evalsha: SHA, eval: TIMELESS_SCRIPT }[name];
      if (script === undefined)
        return { buffer: (...values) => buffer.call(client, ...values), string: (...values) => string.call(client, ...values) };
      return { buffer: atTime(buffer, script), string: atTime(string, script) };
    },
  };
}
