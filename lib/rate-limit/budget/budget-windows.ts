import type { BudgetLimit } from './budget-limits.js';

/** How a store computes a window. */
export const WindowKind = { calendar: 1, sliding: 2, firstUse: 3, total: 4 } as const;

/** Values of one budget: id, kind, limit, length, four bounds. */
export const BUDGET_FIELDS = 8;

/** Calls until a decision is given up: the first learns Redis's clock. */
export const MOST_TRIES = 3;

/** Figures of a limit's budgets, and the span of the store's clock in which they are the newest. */
interface Known {
  readonly figures: readonly (number | string)[];
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * The windows of budgets for a store that decides by its own clock. The bounds of calendar windows
 * are computed here: those of the window around its clock and its neighbours, because the two
 * clocks differ. If they differ by more than a window, the store does not decide, and `learn`
 * corrects the clock.
 */
export class BudgetWindows {
  /** The store's clock is ahead by so much. */
  private aheadMs = 0;
  private readonly known = new WeakMap<readonly BudgetLimit[], Known>();

  constructor(private readonly now: () => number = Date.now) {}

  /** Sets the clock of the store. */
  learn(storeMs: number): void {
    this.aheadMs = storeMs - this.now();
  }

  /** Per budget: id, kind, limit in nano-USD, length (0: endless) and bounds in milliseconds. */
  figuresOf(budgets: readonly BudgetLimit[]): readonly (number | string)[] {
    const nowMs = this.now() + this.aheadMs;
    let known = this.known.get(budgets);
    if (known === undefined || nowMs < known.fromMs || nowMs >= known.untilMs) this.known.set(budgets, (known = knownAt(budgets, nowMs)));
    return known.figures;
  }
}

function knownAt(budgets: readonly BudgetLimit[], nowMs: number): Known {
  const figures: (number | string)[] = [];
  let [fromMs, untilMs] = [-Infinity, Infinity];
  for (const { id, nanoUsd, window } of budgets) {
    const { kind, lengthMs } = window;
    figures.push(id, WindowKind[kind], nanoUsd, kind === 'total' ? 0 : lengthMs, ...boundsAt(window, nowMs));
    if (kind !== 'calendar') continue;
    const { startMs, endMs } = window.partAt(nowMs);
    fromMs = Math.max(fromMs, startMs);
    untilMs = Math.min(untilMs, endMs);
  }
  return { figures, fromMs, untilMs };
}

/**
 * Of a calendar: when the last, this and the next two windows begin. Of a sliding window: the
 * length of a part.
 */
function boundsAt(window: BudgetLimit['window'], nowMs: number): readonly [number, number, number, number] {
  const { kind, lengthMs } = window;
  const { startMs, endMs } = window.partAt(nowMs);
  if (kind === 'calendar') return [window.partAt(startMs - 1).startMs, startMs, endMs, window.partAt(endMs).endMs];
  return kind === 'sliding' ? [endMs - startMs - lengthMs, 0, 0, 0] : [0, 0, 0, 0];
}
