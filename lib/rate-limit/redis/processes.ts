import { join } from 'node:path';
import { errorMessage } from '../../common/errors.js';
import { isReplyError, type RedisClient } from '../../common/redis/client.js';
import { withinTime } from '../../common/redis/deadline.js';
import { LuaScript, readLua } from '../../common/redis/lua-script.js';
import { GONE_AFTER_MS, ProcessCount } from '../outage/process-count.js';

/** How the processes of a Redis store count each other. */
export interface ProcessesSettings {
  readonly client: RedisClient;
  readonly timeoutMs: number;
  /** The sorted set of all processes. */
  readonly key: string;
  /** Name of this process. */
  readonly name: string;
  /** Whether commands are currently sent. */
  readonly isOpen: () => boolean;
  /** Redis has refused a heartbeat: a replica would close the connection each time. */
  readonly onRefusal: (reason: string) => void;
  /** Redis has answered a heartbeat. */
  readonly onBeat: () => void;
}

/** Counts the processes that share the budgets in a Redis. */
export function countRedisProcesses({ client, timeoutMs, key, name, isOpen, onRefusal, onBeat }: ProcessesSettings): ProcessCount {
  const script = new LuaScript(client, readLua(join(__dirname, 'lua'), 'processes.lua'), 'string');
  const remove = client.createBuiltinCommand('zrem').string;
  return new ProcessCount({
    beat: async () => {
      const [count, isNew] = (await withinTime(script.run([key], [name, GONE_AFTER_MS]), timeoutMs)) as [number, number];
      return [count, isNew === 1];
    },
    leave: () => withinTime(remove.call(client, key, name), timeoutMs),
    isOpen,
    onFailure: (error) => {
      // Other failures are counted when they deny requests.
      if (isReplyError(error)) onRefusal(errorMessage(error));
    },
    onBeat,
  });
}
