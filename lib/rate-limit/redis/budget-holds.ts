import type { BudgetDenial, RateLimitScope } from '../store.js';
import { readDenial, readSpendings, StaleWindows } from '../budget/budget-reply.js';
import { MOST_TRIES, type BudgetWindows } from '../budget/budget-windows.js';
import { OpenHolds } from '../outage/open-holds.js';
import { StoreFailure } from '../outage/store-failure.js';
import type { RedisKeys } from './keys.js';
import { OperationKind, type RedisOperation, type RedisScope } from './protocol.js';
import type { RedisScriptQueue } from './script-queue.js';

/** Amounts that one decision held in budgets whose keys are in one slot of a Cluster. */
export class RedisHold {
  constructor(
    readonly id: string,
    readonly tag: string,
    /** Those with budgets. */
    readonly scopes: readonly RateLimitScope[],
    /** Charge if this process dies; `undefined`: all that is held. */
    public expectedNanoUsd: number | undefined = undefined,
  ) {}
}

/** Dependencies of a store's holds. */
export interface HoldSettings {
  readonly queue: RedisScriptQueue;
  readonly keys: RedisKeys;
  readonly windows: BudgetWindows;
  /** After this time without a renewal a hold is settled as that of a dead process. */
  readonly ttlMs: number;
  readonly onFailure: (failure: StoreFailure) => void;
}

/** Money that this process holds in Redis, which settles a hold once. */
export class RedisHolds extends OpenHolds<RedisHold> {
  constructor(private readonly redis: HoldSettings) {
    const { queue, ttlMs, onFailure } = redis;
    super({
      ttlMs,
      onFailure,
      settle: ({ hold, nanoUsd, isProvisional }) => {
        const values = [hold.id, nanoUsd, isProvisional ? 1 : 0];
        return this.run(OperationKind.settleHold, hold, values, (reply, at) => readSpendings(reply, at, hold.scopes));
      },
      renew: (holds) => {
        for (const hold of holds) {
          const values = [hold.id, ttlMs, expectedOf(hold)];
          queue.push({ kind: OperationKind.keepHold, tag: hold.tag, scopes: this.moneyOf(hold), values });
        }
      },
    });
  }

  /**
   * Raises the hold to `nanoUsd`. Returns the denial of a budget.
   * @param knownNanoUsd The current hold or charge, for a Redis that has lost it.
   * @throws StoreFailure
   */
  async extend(hold: RedisHold, nanoUsd: number, knownNanoUsd: number): Promise<(BudgetDenial & { limitName: string }) | undefined> {
    const { ttlMs, windows } = this.redis;
    for (let tries = 1; tries <= MOST_TRIES; tries++) {
      const values = [hold.id, nanoUsd, ttlMs, knownNanoUsd, expectedOf(hold)];
      const read = (reply: Float64Array, at: number): ReturnType<typeof readDenial> => readDenial(reply, at, hold.scopes);
      const denial = await this.run(OperationKind.extendHold, hold, values, read);
      if (denial === undefined) {
        // A charged hold is held again.
        this.add(hold);
        return undefined;
      }
      if (!(denial instanceof StaleWindows)) return { ...denial, limitName: hold.scopes[denial.scope].limit.name };
      windows.learn(denial.storeMs);
    }
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- caught by the store, and no stack is wanted
    throw staleFailure(hold.tag);
  }

  /** Takes an extension back: another slot of the Cluster has denied it. */
  async lower(hold: RedisHold, nanoUsd: number): Promise<void> {
    await this.run(OperationKind.lowerHold, hold, [hold.id, nanoUsd], () => undefined);
  }

  private run<R>(
    kind: OperationKind,
    hold: RedisHold,
    values: RedisOperation['values'],
    read: (reply: Float64Array, at: number) => R,
  ): Promise<R> {
    return this.redis.queue.ask({ kind, tag: hold.tag, scopes: this.moneyOf(hold), values }, read);
  }

  /** Without the keys of requests and tokens, which the operations of a hold do not need. */
  private moneyOf({ scopes }: RedisHold): RedisScope[] {
    return scopes.map((scope) => ({ ...this.redis.keys.scope(scope), stateKey: '', slotsKey: '' }));
  }
}

function expectedOf({ expectedNanoUsd = -1 }: RedisHold): number {
  return expectedNanoUsd;
}

/** The script refused the windows of several calls. */
export function staleFailure(tag: string): StoreFailure {
  return new StoreFailure('reply', 'the Redis clock is outside the budget windows', tag);
}
