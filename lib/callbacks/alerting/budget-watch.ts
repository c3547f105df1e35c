import type { CallRecord } from '../../common/call-record.js';
import { visibleText } from '../../common/visible-text.js';
import type { BudgetAlert } from '../../rate-limit/budget/budget-settings.js';
import type { BudgetEvent, RaiseAlert } from './alert.js';

/** LiteLLM's event groups by key prefix. */
const GROUPS: Readonly<Record<string, string>> = {
  key: 'key',
  team: 'team',
  user: 'internal_user',
  member: 'team_member',
  organization: 'organization',
  customer: 'customer',
};
const LOWEST_MARK = 0.8;
const MOST_KEPT = 10_000;

type Owner = Pick<CallRecord, 'keyAlias' | 'user' | 'team' | 'organization'>;

/** Raises budget alerts, at most once per mark within the time to live. */
export class BudgetWatch {
  private readonly sentAtMs = new Map<string, number>();
  /** Owners of keys, from the latest calls. */
  private readonly owners = new Map<string, Owner>();

  constructor(
    private readonly ttlMs: number,
    private readonly raise: RaiseAlert,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Remembers the owner of the calling key. */
  add({ keyId, keyAlias, user, team, organization }: CallRecord): void {
    if (keyId === undefined) return;
    if (this.owners.size >= MOST_KEPT && !this.owners.has(keyId)) this.owners.clear();
    this.owners.set(keyId, { keyAlias, user, team, organization });
  }

  crossed({ limit, key, mark, isSoft = false, limitUsd, spentUsd }: BudgetAlert): void {
    if (mark < LOWEST_MARK) return;
    const id = `${limit}\n${key}\n${mark}\n${limitUsd}\n${isSoft}`;
    const now = this.now();
    if (now - (this.sentAtMs.get(id) ?? -Infinity) < this.ttlMs) return;
    if (this.sentAtMs.size >= MOST_KEPT) this.sentAtMs.clear();
    this.sentAtMs.set(id, now);
    const at = key.indexOf(':');
    const kind = key.slice(0, at);
    const group = GROUPS[kind] ?? 'proxy';
    const name = group === 'proxy' ? key : key.slice(at + 1);
    const isSpent = mark >= 1;
    const share = isSpent ? 'is exhausted' : `is ${Math.round(mark * 100)} % spent`;
    const alias = group === 'key' ? this.owners.get(name)?.keyAlias : undefined;
    const shown = visibleText(alias === undefined ? name : `${alias} (${name})`);
    const message = `The ${isSoft ? 'soft budget' : 'budget'} of ${shown} (${visibleText(limit)}) ${share}: ${spentUsd} of ${limitUsd} USD`;
    const budget = {
      event: isSoft ? 'soft_budget_crossed' : isSpent ? 'budget_crossed' : 'threshold_crossed',
      event_group: group,
      spend: spentUsd,
      max_budget: isSoft ? null : limitUsd,
      soft_budget: isSoft ? limitUsd : null,
      ...this.entityOf(group, name),
    } as const;
    this.raise({ type: 'budget_alerts', level: isSpent && !isSoft ? 'High' : 'Medium', message, budget });
  }

  private entityOf(group: string, name: string): Omit<BudgetEvent, 'event' | 'event_group' | 'spend' | 'max_budget' | 'soft_budget'> {
    const owner = group === 'key' ? this.owners.get(name) : undefined;
    return {
      token: group === 'key' ? name : null,
      customer_id: group === 'customer' ? name : null,
      user_id: group === 'internal_user' ? name : (owner?.user ?? null),
      team_id: group === 'team' ? name : (owner?.team ?? null),
      organization_id: group === 'organization' ? name : (owner?.organization ?? null),
      key_alias: owner?.keyAlias ?? null,
    };
  }
}
