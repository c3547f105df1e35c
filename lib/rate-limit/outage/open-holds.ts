import { LONGEST_TIMER_MS } from '../../common/clock.js';
import type { BudgetSpending } from '../budget/account.js';
import type { StoreFailure } from './store-failure.js';

/** Renewals of a slot or a hold within its time to live. */
const RENEWALS_PER_TTL = 3;
/** Settlements that are kept for a store that is unavailable; the holds of others become spent. */
const MOST_UNSENT = 10_000;

/** Time between two renewals. */
export function renewalMs(ttlMs: number): number {
  return Math.min(ttlMs / RENEWALS_PER_TTL, LONGEST_TIMER_MS);
}

/** A settlement that the store has not answered. */
export interface HoldSettlement<Hold> {
  readonly hold: Hold;
  readonly nanoUsd: number;
  readonly isProvisional: boolean;
  /** Whether the store has not answered the request for the hold, and may still execute it. */
  readonly isUnanswered: boolean;
}

/** How a store keeps holds. */
export interface OpenHoldsSettings<Hold> {
  /** After this time without a renewal a hold is settled as that of a dead process. */
  readonly ttlMs: number;
  /** Sends a settlement. The store settles a hold once. Rejects with a `StoreFailure`. */
  readonly settle: (settlement: HoldSettlement<Hold>) => Promise<readonly BudgetSpending[]>;
  readonly renew: (holds: Iterable<Hold>) => void;
  readonly onFailure: (failure: StoreFailure) => void;
}

/**
 * Money that this process holds in a store. Holds are renewed while the process lives; those of a
 * process that dies are settled at their expected cost, because its calls may have been made. A
 * settlement that fails is sent again.
 */
export class OpenHolds<Hold extends { readonly id: string }> {
  private readonly held = new Map<string, Hold>();
  private readonly unsent = new Map<string, HoldSettlement<Hold>>();
  private timer: NodeJS.Timeout | undefined = undefined;
  private isClosed = false;

  constructor(private readonly settings: OpenHoldsSettings<Hold>) {}

  get ttlMs(): number {
    return this.settings.ttlMs;
  }

  /** Renews a hold until it is settled. */
  add(hold: Hold): void {
    this.held.set(hold.id, hold);
    this.startTimer();
  }

  /**
   * Replaces the hold with the cost, in the window of the hold; a provisional settlement can be
   * corrected for a quarter of an hour. Returns nothing if the store is unavailable.
   */
  async settle(hold: Hold, nanoUsd: number, isProvisional: boolean): Promise<readonly BudgetSpending[] | undefined> {
    this.held.delete(hold.id);
    const settlement = { hold, nanoUsd, isProvisional, isUnanswered: false };
    try {
      const spendings = await this.settings.settle(settlement);
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

  /**
   * Settles a hold that the store may have although it did not respond; sent with the next renewal.
   */
  settleUnanswered(hold: Hold, nanoUsd: number): void {
    this.keep({ hold, nanoUsd, isProvisional: false, isUnanswered: true });
  }

  /** Sends unanswered settlements again. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.stopTimer();
    await this.sendUnsent();
  }

  private keep(settlement: HoldSettlement<Hold>): void {
    if (this.unsent.size >= MOST_UNSENT) this.unsent.delete(this.unsent.keys().next().value as string);
    this.unsent.set(settlement.hold.id, settlement);
    this.startTimer();
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
    this.settings.renew(this.held.values());
    void this.sendUnsent();
  };

  private async sendUnsent(): Promise<void> {
    await Promise.all([...this.unsent.values()].map((settlement) => this.settleAgain(settlement)));
  }

  private async settleAgain(settlement: HoldSettlement<Hold>): Promise<void> {
    const { id } = settlement.hold;
    try {
      await this.settings.settle(settlement);
    } catch {
      // Counted when it failed first; the next renewal sends it again.
      return;
    }
    if (this.unsent.get(id) === settlement) this.unsent.delete(id);
    this.stopIfIdle();
  }
}
