import type { BudgetSpending } from '../budget/account.js';
import type { BudgetDenial, RateLimitScope } from '../store.js';
import { readDenial, readSpendings, StaleWindows } from './budget-reply.js';
import { MOST_TRIES, type BudgetWindows } from './budget-windows.js';
import { renewalMs } from './concurrency-slots.js';
import type { RedisKeys } from './keys.js';
import { OperationKind, type RedisOperation, type RedisScope } from './protocol.js';
import { StoreFailure, type RedisScriptQueue } from './script-queue.js';

/** Settlements that are kept for a Redis that is away; the holds of others become spent. */
const MOST_UNSENT = 10_000;

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

/** A settlement that Redis has not answered. */
interface Settlement {
  readonly hold: RedisHold;
  readonly nanoUsd: number;
  readonly isProvisional: boolean;
}

/** What the holds of a store work with. */
export interface HoldSettings {
  readonly queue: RedisScriptQueue;
  readonly keys: RedisKeys;
  readonly windows: BudgetWindows;
  /** After this time without a renewal a hold is settled as that of a dead process. */
  readonly ttlMs: number;
  readonly onFailure: (failure: StoreFailure) => void;
}

/**
 * Money that this process holds in Redis. Holds are renewed while the process lives; those of a
 * process that dies are settled at their expected cost, because its calls may have been made. A
 * settlement that fails is sent again: Redis settles a hold once.
 */
export class RedisHolds {
  private readonly held = new Map<string, RedisHold>();
  private readonly unsent = new Map<string, Settlement>();
  private timer: NodeJS.Timeout | undefined = undefined;
  private isClosed = false;

  constructor(private readonly settings: HoldSettings) {}

  get ttlMs(): number {
    return this.settings.ttlMs;
  }

  /** Renews a hold until it is settled. */
  add(hold: RedisHold): void {
    this.held.set(hold.id, hold);
    this.startTimer();
  }

  /**
   * Replaces what is held by what was spent, in the window of the hold; a provisional settlement
   * can be corrected for a quarter of an hour. Returns nothing where Redis is away.
   */
  async settle(hold: RedisHold, nanoUsd: number, isProvisional: boolean): Promise<readonly BudgetSpending[] | undefined> {
    this.held.delete(hold.id);
    const settlement = { hold, nanoUsd, isProvisional };
    try {
      const spendings = await this.send(settlement);
      this.unsent.delete(hold.id);
      return spendings;
    } catch (failure) {
      this.settings.onFailure(failure as StoreFailure);
      this.keep(settlement);
      return undefined;
    } finally {
      this.stopIfIdle();
    }
  }

  /** Settles what Redis may hold although it gave no answer: with the next renewal, idempotent. */
  settleUnanswered(hold: RedisHold, nanoUsd: number): void {
    this.keep({ hold, nanoUsd, isProvisional: false });
  }

  /**
   * Raises what is held to `nanoUsd`. Returns the denial of a budget.
   * @param knownNanoUsd What it holds or was charged, for a Redis that has forgotten it.
   * @throws StoreFailure
   */
  async extend(hold: RedisHold, nanoUsd: number, knownNanoUsd: number): Promise<(BudgetDenial & { limitName: string }) | undefined> {
    const { ttlMs, windows } = this.settings;
    for (let tries = 1; tries <= MOST_TRIES; tries++) {
      const values = [hold.id, nanoUsd, ttlMs, knownNanoUsd, expectedOf(hold)];
      const read = (reply: Float64Array, at: number): ReturnType<typeof readDenial> => readDenial(reply, at, hold.scopes);
      const denial = await this.run(OperationKind.extendHold, hold, values, read);
      if (denial === undefined) {
        // One that was charged is held again.
        this.add(hold);
        return undefined;
      }
      if (!(denial instanceof StaleWindows)) return { ...denial, limitName: hold.scopes[denial.scope].limit.name };
      windows.learn(denial.redisMs);
    }
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- caught by the store, and no stack is wanted
    throw staleFailure(hold.tag);
  }

  /** Takes an extension back: another slot of the Cluster has denied it. */
  async lower(hold: RedisHold, nanoUsd: number): Promise<void> {
    await this.run(OperationKind.lowerHold, hold, [hold.id, nanoUsd], () => undefined);
  }

  /** Sends once more what Redis has not answered. */
  close(): void {
    this.isClosed = true;
    this.stopTimer();
    this.sendUnsent();
  }

  private send({ hold, nanoUsd, isProvisional }: Settlement): Promise<readonly BudgetSpending[]> {
    const values = [hold.id, nanoUsd, isProvisional ? 1 : 0];
    return this.run(OperationKind.settleHold, hold, values, (reply, at) => readSpendings(reply, at, hold.scopes));
  }

  private keep(settlement: Settlement): void {
    if (this.unsent.size >= MOST_UNSENT) this.unsent.delete(this.unsent.keys().next().value as string);
    this.unsent.set(settlement.hold.id, settlement);
    this.startTimer();
  }

  private run<R>(
    kind: OperationKind,
    hold: RedisHold,
    values: RedisOperation['values'],
    read: (reply: Float64Array, at: number) => R,
  ): Promise<R> {
    return this.settings.queue.ask({ kind, tag: hold.tag, scopes: this.moneyOf(hold), values }, read);
  }

  /** Without the keys of requests and tokens, which the operations of a hold do not need. */
  private moneyOf({ scopes }: RedisHold): RedisScope[] {
    return scopes.map((scope) => ({ ...this.settings.keys.scope(scope), stateKey: '', slotsKey: '' }));
  }

  private startTimer(): void {
    if (this.timer !== undefined || this.isClosed) return;
    this.timer = setInterval(this.renew, renewalMs(this.settings.ttlMs));
    this.timer.unref();
  }

  private stopIfIdle(): void {
    if (this.held.size === 0 && this.unsent.size === 0) this.stopTimer();
  }

  private stopTimer(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private readonly renew = (): void => {
    const { queue, ttlMs } = this.settings;
    for (const hold of this.held.values()) {
      queue.push({ kind: OperationKind.keepHold, tag: hold.tag, scopes: this.moneyOf(hold), values: [hold.id, ttlMs, expectedOf(hold)] });
    }
    this.sendUnsent();
  };

  private sendUnsent(): void {
    for (const settlement of [...this.unsent.values()]) void this.settleAgain(settlement);
  }

  private async settleAgain(settlement: Settlement): Promise<void> {
    const { id } = settlement.hold;
    try {
      await this.send(settlement);
    } catch {
      // Counted when it failed first; the next renewal sends it again.
      return;
    }
    if (this.unsent.get(id) === settlement) this.unsent.delete(id);
    this.stopIfIdle();
  }
}

function expectedOf({ expectedNanoUsd = -1 }: RedisHold): number {
  return expectedNanoUsd;
}

/** The script refused the windows of several calls. */
export function staleFailure(tag: string): StoreFailure {
  return new StoreFailure('reply', 'the Redis clock is outside the budget windows', tag);
}
