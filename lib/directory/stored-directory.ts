import { APP_ACTOR, type AuditActor, type AuditEntry, type AuditLog } from '../common/audit-log.js';
import { DatabaseError, FastLiteLLMError, InvalidArgumentError } from '../common/errors.js';
import { ApiKeyError } from '../common/http-errors.js';
import { refuseArgument } from '../common/options.js';
import type { Principal, PrincipalScope } from '../http/principal.js';
import type { ApiKeyRecord } from '../keys/api-key-record.js';
import type { KeyDirectory } from '../keys/key-directory.js';
import { Spending } from '../keys/spending.js';
import type { RateLimits } from '../rate-limit/limits.js';
import type { BudgetReport, RateLimiterService } from '../rate-limit/rate-limit.service.js';
import { DirectoryCache } from './directory-cache.js';
import { PrincipalLimits, SCOPE_NAMES } from './principal-limits.js';
import {
  checkDirectoryRecord,
  memberId,
  type DirectoryEntity,
  type DirectoryRecords,
  type LimitedEntity,
  type LimitedRecord,
} from './directory-records.js';
import type { DirectoryPage, DirectoryQuery, DirectoryStore } from './directory-store.js';
import { DirectoryService, type DirectoryChanges, type DirectorySettings } from './directory.service.js';

/** Attempts to write a record while other processes change it, too. */
const MOST_CONFLICTS = 5;

/** The directory of a store. */
export class StoredDirectory extends DirectoryService implements KeyDirectory {
  private readonly cache: DirectoryCache;
  private readonly principals: PrincipalLimits;
  private readonly spending: Readonly<Record<LimitedEntity, Spending>>;

  /** @internal Made by `FastLiteLLMKeysModule`. */
  constructor(
    private readonly store: DirectoryStore,
    private readonly limiter: RateLimiterService,
    maxStaleMs: number,
    private readonly audit?: AuditLog,
  ) {
    super();
    this.cache = new DirectoryCache(store, maxStaleMs);
    const isAway = (): boolean => store.isFollowing?.() !== true && store.fault?.() !== undefined;
    this.principals = new PrincipalLimits(this.cache, isAway);
    const kinds = Object.entries(SCOPE_NAMES).map(([entity, kind]) => [entity, new Spending(limiter, kind)]);
    this.spending = Object.fromEntries(kinds) as Record<LimitedEntity, Spending>;
  }

  async find<E extends DirectoryEntity>(entity: E, id: string): Promise<DirectoryRecords[E] | undefined> {
    return this.asked(this.store.find(entity, id));
  }

  async findMember(team: string, user: string): Promise<DirectoryRecords['team_members'] | undefined> {
    return this.find('team_members', memberId(team, user));
  }

  async list<E extends DirectoryEntity>(entity: E, query: DirectoryQuery = {}): Promise<DirectoryPage<DirectoryRecords[E]>> {
    return this.asked(this.store.list(entity, query));
  }

  async create<E extends DirectoryEntity>(
    entity: E,
    settings: DirectorySettings<E>,
    by: AuditActor = APP_ACTOR,
  ): Promise<DirectoryRecords[E]> {
    const now = new Date().toISOString();
    const record = await this.checked(entity, { ...settings, revision: 1, createdAt: now, updatedAt: now });
    const isNew = await this.asked(this.store.put(entity, record, entryOf(entity, 'created', by, { after: record })));
    if (!isNew) throw new InvalidArgumentError('id', record.id, 'must be unique; this id already exists');
    this.cache.changed(entity, record.id);
    if (isLimited(entity)) this.spending[entity].begin(await this.accountOf(record));
    return record;
  }

  async update<E extends DirectoryEntity>(
    entity: E,
    id: string,
    changes: DirectoryChanges<E> | ((record: DirectoryRecords[E]) => DirectoryChanges<E>),
    by: AuditActor = APP_ACTOR,
  ): Promise<DirectoryRecords[E] | undefined> {
    for (let attempt = 0; attempt < MOST_CONFLICTS; attempt++) {
      const before = await this.find(entity, id);
      if (before === undefined) return undefined;
      const given = typeof changes === 'function' ? changes(before) : changes;
      const settings = Object.entries({ ...before, ...given }).filter(([, value]) => value !== null);
      const version = { id, revision: (before.revision ?? 1) + 1, createdAt: before.createdAt, updatedAt: new Date().toISOString() };
      const after = await this.checked(entity, { ...Object.fromEntries(settings), ...version });
      if (isLimited(entity)) await this.spending[entity].carry(await this.accountOf(before), await this.accountOf(after));
      if (!(await this.asked(this.store.put(entity, after, entryOf(entity, actionOf(before, after), by, { before, after }))))) continue;
      this.cache.changed(entity, id);
      return after;
    }
    throw new FastLiteLLMError('API_KEY_CONFLICT', `${entity} ${id}: other processes are changing it at the same time; try again`);
  }

  async delete(entity: DirectoryEntity, id: string, by: AuditActor = APP_ACTOR): Promise<boolean> {
    const before = await this.find(entity, id);
    if (before === undefined) return false;
    if (entity === 'teams' || entity === 'users') await this.removeMembers(entity === 'teams' ? { teams: [id] } : { user: id }, by);
    const isRemoved = await this.asked(this.store.delete(entity, id, entryOf(entity, 'deleted', by, { before })));
    if (!isRemoved && entity === 'budgets')
      throw new InvalidArgumentError('budget_id', id, 'must not be in use; remove it from keys and other records first');
    this.cache.changed(entity, id);
    if (isRemoved && isLimited(entity)) await this.spending[entity].forget(await this.accountOf(before));
    return isRemoved;
  }

  async spendingOf(entity: LimitedEntity, record: LimitedRecord): Promise<BudgetReport | undefined> {
    return this.spending[entity].shown(await this.accountOf(record));
  }

  async resetSpend(entity: LimitedEntity, record: LimitedRecord, usd = 0, by: AuditActor = APP_ACTOR): Promise<void> {
    const account = await this.accountOf(record);
    const before = await this.spending[entity].shown(account);
    await this.spending[entity].set(account, usd);
    const { id } = record;
    const change = { before: { id, spendUsd: before?.spentUsd ?? null }, after: { id, spendUsd: usd } };
    await this.audit?.record(entryOf(entity, 'spend_reset', by, change));
  }

  async limitsOf(record: Pick<LimitedRecord, 'limits' | 'budget'>): Promise<RateLimits | undefined> {
    return this.asked(this.principals.limitsOf(record));
  }

  /** @internal For `ApiKeyService`. */
  principalOf(record: ApiKeyRecord, principal: Principal, isRaised: boolean): Principal | Promise<Principal> {
    return this.principals.principalOf(record, principal, isRaised);
  }

  /** @internal For `ApiKeyService`. */
  customerScopes(id: string): readonly PrincipalScope[] | Promise<readonly PrincipalScope[]> {
    return this.principals.customerScopes(id);
  }

  /** @internal For `ApiKeyService`. */
  async hasBudget(id: string): Promise<boolean> {
    return (await this.store.find('budgets', id)) !== undefined;
  }

  /** Stops listening to the store, which its owner closes. @internal */
  close(): void {
    this.cache.close();
  }

  private async accountOf(record: LimitedRecord): Promise<{ readonly id: string; readonly limits: RateLimits | undefined }> {
    return { id: record.id, limits: await this.limitsOf(record) };
  }

  private async removeMembers(query: DirectoryQuery, by: AuditActor): Promise<void> {
    for (;;) {
      const { records } = await this.list('team_members', query);
      for (const { id } of records) await this.delete('team_members', id, by);
      if (records.length === 0) return;
    }
  }

  /** @throws InvalidArgumentError naming the setting */
  private async checked<E extends DirectoryEntity>(entity: E, given: object): Promise<DirectoryRecords[E]> {
    const record = checkDirectoryRecord(entity, '', given, refuseArgument);
    const { limits, modelLimits, budget, team, organization } = record as Partial<
      LimitedRecord & { readonly team: string; readonly organization: string }
    >;
    for (const each of [limits, ...Object.values(modelLimits ?? {})])
      if (each !== undefined) this.limiter.limitOf({ limit: entity.replace('_', '-'), limits: each });
    const needs = [
      ['budget', 'budgets', budget],
      ['team', 'teams', team],
      ['organization', 'organizations', organization],
    ] as const;
    for (const [setting, of, id] of needs)
      if (id !== undefined && (await this.find(of, id)) === undefined) throw new InvalidArgumentError(setting, id, 'must exist');
    return record;
  }

  /** @throws ApiKeyError (503) if the store is unavailable. */
  private async asked<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof FastLiteLLMError && !(error instanceof DatabaseError)) throw error;
      throw new ApiKeyError('unavailable', { cause: error });
    }
  }
}

function isLimited(entity: DirectoryEntity): entity is LimitedEntity {
  return Object.hasOwn(SCOPE_NAMES, entity);
}

function actionOf(before: object, after: object): string {
  const [was, is] = [before, after].map((record) => (record as { readonly blocked?: boolean }).blocked === true);
  return was === is ? 'updated' : is ? 'blocked' : 'unblocked';
}

function entryOf(
  entity: DirectoryEntity,
  action: string,
  by: AuditActor,
  change: { readonly before?: { readonly id: string }; readonly after?: { readonly id: string } },
): AuditEntry {
  return { ...by, action, entity, entityId: (change.after ?? change.before)?.id ?? '', ...change };
}
