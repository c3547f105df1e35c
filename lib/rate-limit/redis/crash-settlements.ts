import type { RedisClient, SendCommand } from '../../common/redis/client.js';
import { withinTime } from '../../common/redis/deadline.js';
import type { CrashSettlement } from '../store.js';
import type { RedisScope } from './protocol.js';

/** Holds of one key that are looked at. */
const MOST_LISTED = 1_000;
const DOUBLE = 8;

/** Reads the charges for the holds of dead processes from Redis. */
export class RedisCrashes {
  private readonly names: SendCommand;
  private readonly records: SendCommand;

  constructor(
    private readonly client: RedisClient,
    private readonly timeoutMs: number,
  ) {
    this.names = client.createBuiltinCommand('zrevrange').string;
    this.records = client.createBuiltinCommand('hmget').buffer;
  }

  /** Those of one key, the newest first. */
  async of({ budgets }: RedisScope): Promise<readonly Omit<CrashSettlement, 'limit' | 'key'>[]> {
    if (budgets === undefined) return [];
    const names = (await this.ask(this.names, budgets.holdsKey, 0, MOST_LISTED - 1)) as readonly string[];
    if (names.length === 0) return [];
    const records = (await this.ask(this.records, budgets.hashKey, ...names.map((name) => `h:${name}`))) as readonly (Buffer | null)[];
    return names.flatMap((id, i) => crashOf(id, records[i]) ?? []);
  }

  private ask(send: SendCommand, ...values: (string | number)[]): Promise<unknown> {
    return withinTime(send.call(this.client, ...values), this.timeoutMs);
  }
}

/** Reads a record of lua/budget-state.lua. */
function crashOf(id: string, record: Buffer | null): Omit<CrashSettlement, 'limit' | 'key'> | undefined {
  if (record === null) return undefined;
  const [heldNanoUsd, chargedNanoUsd, atMs] = [0, 1, 2].map((place) => record.readDoubleLE(place * DOUBLE));
  return chargedNanoUsd >= 0 && atMs < 0 ? { id, heldNanoUsd, chargedNanoUsd, takenAtMs: -atMs } : undefined;
}
