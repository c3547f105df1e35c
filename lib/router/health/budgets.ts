import type { MetricSample } from '../../common/capability.js';
import type { Budget } from '../config/budget-settings.js';
import type { Deployment } from '../deployments/deployment.js';

/** What was spent of one budget. */
class Ledger {
  spentUsd = 0;
  /** Of that, what other processes have not been told of. */
  unreportedUsd = 0;
  endsAtMs = 0;

  constructor(
    readonly key: string,
    readonly title: string,
    public budget: Budget,
  ) {}

  /** Begins anew where the time is over. */
  open(nowMs: number): this {
    if (nowMs >= this.endsAtMs) this.spentUsd = 0;
    return this;
  }

  get isCrossed(): boolean {
    return this.spentUsd >= this.budget.budgetUsd;
  }
}

const NONE: readonly Ledger[] = [];
/** Budgets of deployments that are gone, and may come back: a list that is replaced in two steps must not begin them anew. Those gone longest are forgotten. */
const MOST_RETIRED = 1_000;
/** By so much the end of a time may differ from one exchange to the next. */
const JITTER_MS = 50;

/** What providers and deployments have cost, against their budgets. */
export class Budgets {
  /** Whether there are any. */
  isUsed = false;
  private readonly ledgers = new Map<string, Ledger>();
  private readonly retired = new Map<string, Ledger>();
  private byDeployment = new Map<string, readonly Ledger[]>();

  /** Other deployments or other budgets from now on; what was spent stays. */
  use(deployments: readonly Deployment[], ofProviders: ReadonlyMap<string, Budget>): void {
    const wanted = new Set<string>();
    const ledger = (key: string, title: string, budget: Budget): Ledger => {
      wanted.add(key);
      let known = this.ledgers.get(key);
      if (known === undefined) this.ledgers.set(key, (known = this.retired.get(key) ?? new Ledger(key, title, budget)));
      this.retired.delete(key);
      known.budget = budget;
      return known;
    };
    this.byDeployment = new Map();
    for (const [provider, budget] of ofProviders) ledger(`provider:${provider}`, `provider ${provider}`, budget);
    for (const { id, provider, budget } of deployments) {
      const ofProvider = this.ledgers.get(`provider:${provider}`);
      const own = budget && ledger(`deployment:${id}`, `deployment ${id}`, budget);
      const all = [ofProviders.has(provider) ? ofProvider : undefined, own].filter((each) => each !== undefined);
      if (all.length > 0) this.byDeployment.set(id, all);
    }
    for (const [key, ledger] of this.ledgers) if (!wanted.has(key)) this.retire(key, ledger);
    this.isUsed = this.ledgers.size > 0;
  }

  /** Whether calls of this deployment have to be paid for. */
  counts(id: string): boolean {
    return this.byDeployment.has(id);
  }

  /** A call was paid for. Whether a budget was crossed by it. */
  spend(id: string, usd: number, nowMs: number): boolean {
    let crossed = false;
    for (const ledger of this.of(id)) {
      const before = ledger.open(nowMs).isCrossed;
      if (nowMs >= ledger.endsAtMs) ledger.endsAtMs = nowMs + ledger.budget.periodMs;
      ledger.spentUsd += usd;
      ledger.unreportedUsd += usd;
      crossed ||= !before && ledger.isCrossed;
    }
    return crossed;
  }

  /** Until when a deployment is over a budget of its own or of its provider's; 0 where it is not. */
  overUntil(id: string, nowMs: number): number {
    return this.of(id).reduce((until, ledger) => (ledger.open(nowMs).isCrossed ? Math.max(until, endOf(ledger, nowMs)) : until), 0);
  }

  /** What there is to say of the budgets that these deployments have crossed, each once. */
  crossedBy(ids: readonly string[], nowMs: number): readonly string[] {
    const crossed = new Set(ids.flatMap((id) => this.of(id).filter((ledger) => ledger.open(nowMs).isCrossed)));
    return [...crossed].map(
      ({ title, spentUsd, budget }) => `Exceeded budget for ${title}: ${Number(spentUsd.toPrecision(6))} >= ${budget.budgetUsd}`,
    );
  }

  /** What others have to be told: all budgets, with what was spent since the last time. */
  takeUnreported(): { readonly key: string; readonly usd: number; readonly periodMs: number }[] {
    return Array.from(this.ledgers.values(), (ledger) => {
      const usd = ledger.unreportedUsd;
      ledger.unreportedUsd = 0;
      return { key: ledger.key, usd, periodMs: ledger.budget.periodMs };
    });
  }

  /** What was told and not heard is to be told again. */
  putBack(key: string, usd: number): void {
    const ledger = this.ledgers.get(key);
    if (ledger !== undefined) ledger.unreportedUsd += usd;
  }

  /** What all have spent together, and when its time ends. Whether that changes who is over a budget, or for how long. */
  settle(key: string, totalUsd: number, endsAtMs: number): boolean {
    const ledger = this.ledgers.get(key);
    if (ledger === undefined) return false;
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
          help: 'What is left of a budget until its time is over.',
          type: 'gauge',
          value: Math.max(budgetUsd - ledger.open(nowMs).spentUsd, 0),
          labels,
        },
        { name: 'router_budget_usd', help: 'What may be spent of a budget in its time.', type: 'gauge', value: budgetUsd, labels },
      ];
    });
  }

  private retire(key: string, ledger: Ledger): void {
    this.ledgers.delete(key);
    if (ledger.spentUsd > 0) this.retired.set(key, ledger);
    if (this.retired.size > MOST_RETIRED) this.retired.delete(this.retired.keys().next().value as string);
  }

  private of(id: string): readonly Ledger[] {
    return this.byDeployment.get(id) ?? NONE;
  }
}

/** A budget of 0 is over at any time. */
function endOf({ endsAtMs, budget }: Ledger, nowMs: number): number {
  if (budget.budgetUsd === 0) return Infinity;
  return endsAtMs > nowMs ? endsAtMs : nowMs + budget.periodMs;
}
