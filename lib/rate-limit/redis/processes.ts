import { join } from 'node:path';
import { errorMessage } from '../../common/errors.js';
import { isReplyError, type RedisClient, type SendCommand } from '../../common/redis/client.js';
import { withinTime } from '../../common/redis/deadline.js';
import { LuaScript, readLua } from '../../common/redis/lua-script.js';

const BEAT_MS = 1_000;
/** A process without a heartbeat for this long is no longer counted. */
const GONE_AFTER_MS = 10_000;

/** How the processes of a store count each other. */
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

/**
 * Counts the processes that share the budgets in a Redis, so that each can spend its share while
 * Redis is unreachable. A new process counts itself only after its second heartbeat, because by
 * then all others have counted it.
 */
export class RedisProcesses {
  private readonly script: LuaScript;
  private readonly remove: SendCommand;
  private readonly timer: NodeJS.Timeout;
  private count = 0;
  private isMember = false;
  private beatAtMs = -Infinity;
  private isBeating = false;

  constructor(private readonly settings: ProcessesSettings) {
    const { client } = settings;
    this.script = new LuaScript(client, readLua(join(__dirname, 'lua'), 'processes.lua'), 'string');
    this.remove = client.createBuiltinCommand('zrem').string;
    this.timer = setInterval(() => void this.beat(), BEAT_MS);
    this.timer.unref();
    void this.beat();
  }

  /** Processes at the beginning of an outage; 0 if this one was not among them. */
  countAt(outageMs: number): number {
    return this.isMember && outageMs - this.beatAtMs < GONE_AFTER_MS ? this.count : 0;
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    const { client, key, name, timeoutMs, isOpen } = this.settings;
    if (isOpen()) await withinTime(this.remove.call(client, key, name), timeoutMs).catch(() => {});
  }

  private async beat(): Promise<void> {
    const { key, name, timeoutMs, isOpen, onBeat, onRefusal } = this.settings;
    if (this.isBeating || !isOpen()) return;
    this.isBeating = true;
    const startMs = performance.now();
    try {
      const [count, isNew] = (await withinTime(this.script.run([key], [name, GONE_AFTER_MS]), timeoutMs)) as [number, number];
      this.isMember = isNew === 0 || count === 1;
      this.count = count;
      this.beatAtMs = startMs;
    } catch (error) {
      // Other failures are counted where they deny requests.
      if (isReplyError(error)) onRefusal(errorMessage(error));
      return;
    } finally {
      this.isBeating = false;
    }
    onBeat();
  }
}
