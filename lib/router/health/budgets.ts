import type { MetricSample } from '../../common/capability.js';
import type { Budget } from '../config/budget-settings.js';
import type { Deployment } from '../deployments/deployment.js';
import type { UnreportedSpending } from '../redis/shared-state.js';

/** The spend of one budget. */
export class Ledger {
  spentUsd = 0;
  /** The part that was not reported to other processes yet. */
  unreportedUsd = 0;
  endsAtMs = 0;

  constructor(
    readonly key: string,
    readonly title: string,
    public budget: Budget,
  ) {}

  /** Starts at 0 again when the period ends. */
  open(nowMs: number): this {
    if (nowMs >= this.endsAtMs) this.spentUsd = 0;
    return this;
  }

  get isCrossed(): boolean {
    return this.spentUsd >= this.budget.budgetUsd;
  }
}

/** The budgets of deployments, by id; those without any are absent. */
export type LedgersById = ReadonlyMap<string, readonly Ledger[]>;

const NONE: readonly Ledger[] = [];
/**
 * Ledgers kept of removed deployments, which may come back: a list replaced in two steps must not
 * reset its budgets.
 */
const MOST_RETIRED = 1_000;
/** The end of a period may differ by this much from one exchange to the next. */
const JITTER_MS = 50;

/** The spend of providers and deployments against their budgets. */
export class Budgets {
  /** Whether any budget is set. */
  isUsed = false;
  private readonly ledgers = new Map<string, Ledger>();
  private readonly retired = new Map<string, Ledger>();
  private byDeployment: LedgersById = new Map();

  /**
   * Replaces deployments and budgets, and keeps the spend. Returns the budgets of each deployment,
   * under which calls of this configuration are charged, even after it is replaced.
   */
  use(deployments: readonly Deployment[], ofProviders: ReadonlyMap<string, Budget>): LedgersById {
    const wanted = new Set<string>();
    const ledger = (key: string, title: string, budget: Budget): Ledger => {
      wanted.add(key);
      let known = this.ledgers.get(key);
      if (known === undefined) this.ledgers.set(key, (known = this.retired.get(key) ?? new Ledger(key, title, budget)));
      this.retired.delete(key);
      known.budget = budget;
      return known;
    };
    const byDeployment = new Map<string, readonly Ledger[]>();
    for (const [provider, budget] of ofProviders) ledger(`provider:${provider}`, `provider ${provider}`, budget);
    for (const { id, provider, budget } of deployments) {
      const ofProvider = this.ledgers.get(`provider:${provider}`);
      const own = budget && ledger(`deployment:${id}`, `deployment ${id}`, budget);
      const all = [ofProviders.has(provider) ? ofProvider : undefined, own].filter((each) => each !== undefined);
      if (all.length > 0) byDeployment.set(id, all);
    }
    for (const [key, ledger] of this.ledgers) if (!wanted.has(key)) this.retire(key, ledger);
    this.isUsed = this.ledgers.size > 0;
    return (this.byDeployment = byDeployment);
  }

  /**
   * Adds the cost of a call, and returns whether it exceeds a budget that was not exceeded before.
   */
  spend(ledgers: readonly Ledger[], usd: number, nowMs: number): boolean {
    let crossed = false;
    for (const ledger of ledgers) {
      const before = ledger.open(nowMs).isCrossed;
      if (nowMs >= ledger.endsAtMs) ledger.endsAtMs = nowMs + ledger.budget.periodMs;
      ledger.spentUsd += usd;
      ledger.unreportedUsd += usd;
      crossed ||= !before && ledger.isCrossed;
    }
    return crossed;
  }

  /** Returns until when a deployment is over its budget or its provider's; 0 if it is not. */
  overUntil(id: string, nowMs: number): number {
    return this.of(id).reduce((until, ledger) => (ledger.open(nowMs).isCrossed ? Math.max(until, endOf(ledger, nowMs)) : until), 0);
  }

  /** Describes the exceeded budgets of these deployments, each once. */
  crossedBy(ids: readonly string[], nowMs: number): readonly string[] {
    const crossed = new Set(ids.flatMap((id) => this.of(id).filter((ledger) => ledger.open(nowMs).isCrossed)));
    return [...crossed].map(
      ({ title, spentUsd, budget }) => `Exceeded budget for ${title}: ${Number(spentUsd.toPrecision(6))} >= ${budget.budgetUsd}`,
    );
  }

  /** Returns all budgets, with the spend since the last call. */
  takeUnreported(nowMs: number): UnreportedSpending[] {
    return Array.from(this.ledgers.values(), (ledger) => {
      const usd = ledger.unreportedUsd;
      ledger.unreportedUsd = 0;
      const { key, budget, endsAtMs } = ledger;
      return { key, usd, periodMs: budget.periodMs, totalUsd: ledger.open(nowMs).spentUsd, leftMs: Math.max(0, endsAtMs - nowMs) };
    });
  }

  /** Takes back spending whose report failed. */
  putBack(key: string, usd: number): void {
    const ledger = this.ledgers.get(key);
    if (ledger !== undefined) ledger.unreportedUsd += usd;
  }

  /**
   * Sets the spending of all processes, and the end of the period. Returns whether this changes who
   * is over budget, or for how long.
   */
  settle(key: string, totalUsd: number, endsAtMs: number): boolean {
    const ledger = this.ledgers.get(key);
    if (ledger === undefined || !(totalUsd >= 0)) return false;
    const before = ledger.isCrossed;
    ledger.spentUsd = totalUsd + ledger.unreportedUsd;
    const isMoved = Math.abs(endsAtMs - ledger.endsAtMs) > JITTER_MS;
    if (isMoved) ledger.endsAtMs = endsAtMs;
    return before !== ledger.isCrossed || (before && isMoved);
  }

  samples(nowMs: number): readonly MetricSample[] {
    return Array.from(this.ledgers.values()).flatMap((ledger): MetricSample[] => {
      const { budgetUsd } = ledger.budget;
      const labels = { budget: ledger.key };
      return [
        {
          name: 'router_budget_remaining_usd',
          help: 'Budget left in the current period.',
          type: 'gauge',
          value: Math.max(budgetUsd - ledger.open(nowMs).spentUsd, 0),
          labels,
        },
        { name: 'router_budget_usd', help: 'Budget per period.', type: 'gauge', value: budgetUsd, labels },
      ];
    });
  }

  private retire(key: string, ledger: Ledger): void {
    this.ledgers.delete(key);
    // Also without any spend: calls in flight can still be charged to it.
    this.retired.set(key, ledger);
    if (this.retired.size > MOST_RETIRED) this.retired.delete(this.retired.keys().next().value as string);
  }

  private of(id: string): readonly Ledger[] {
    return this.byDeployment.get(id) ?? NONE;
  }
}

/** A budget of 0 is always exceeded. */
function endOf({ endsAtMs, budget }: Ledger, nowMs: number): number {
  if (budget.budgetUsd === 0) return Infinity;
  return endsAtMs > nowMs ? endsAtMs : nowMs + budget.periodMs;
}
