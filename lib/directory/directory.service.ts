import { APP_ACTOR, type AuditActor, type AuditEntry } from '../common/audit-log.js';
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
import { DirectoryPrincipals, SCOPE_NAMES, type LimitedEntity } from './directory-principals.js';
import { checkDirectoryRecord, memberId, type DirectoryEntity, type DirectoryRecords, type LimitedRecord } from './directory-records.js';
import type { DirectoryPage, DirectoryQuery, DirectoryStore } from './directory-store.js';

type Stored = 'revision' | 'createdAt' | 'updatedAt';

/** Settings of a new record. */
export type DirectorySettings<E extends DirectoryEntity> = Omit<DirectoryRecords[E], Stored>;

/** Settings to change; `null` removes one. */
export type DirectoryChanges<E extends DirectoryEntity> = {
  readonly [K in keyof Omit<DirectoryRecords[E], Stored | 'id'>]?: DirectoryRecords[E][K] | null;
};

/** Attempts to write a record that other processes change at the same time. */
const MOST_CONFLICTS = 5;

/**
 * Creates, changes and deletes teams, users, members, budgets, customers and organizations. Changes
 * take effect in all processes at once, as those of keys do, and are in the store's audit log.
 *
 * @example
 * await directory.create('teams', { id: 'mobile', models: ['gpt-4o*'], limits: { usdPerMonth: 500 } });
 * await directory.update('teams', 'mobile', { blocked: true });
 */
export class DirectoryService implements KeyDirectory {
  private readonly cache: DirectoryCache;
  private readonly principals: DirectoryPrincipals;
  private readonly spending: Readonly<Record<LimitedEntity, Spending>>;

  /** @internal Made by `FastLiteLLMKeysModule`. */
  constructor(
    private readonly store: DirectoryStore,
    private readonly limiter: RateLimiterService,
    maxStaleMs: number,
  ) {
    this.cache = new DirectoryCache(store, maxStaleMs);
    const isAway = (): boolean => store.isFollowing?.() !== true && store.fault?.() !== undefined;
    this.principals = new DirectoryPrincipals(this.cache, isAway);
    const kinds = Object.entries(SCOPE_NAMES).map(([entity, kind]) => [entity, new Spending(limiter, kind)]);
    this.spending = Object.fromEntries(kinds) as Record<LimitedEntity, Spending>;
  }

  /** Returns a record; `undefined` for an unknown one. Queries the store. */
  async find<E extends DirectoryEntity>(entity: E, id: string): Promise<DirectoryRecords[E] | undefined> {
    return this.asked(this.store.find(entity, id));
  }

  /** Returns a user in a team; `undefined` for one that is not in it. */
  async findMember(team: string, user: string): Promise<DirectoryRecords['team_members'] | undefined> {
    return this.find('team_members', memberId(team, user));
  }

  /** Returns a page of the records that match, the newest first. */
  async search<E extends DirectoryEntity>(entity: E, query: DirectoryQuery = {}): Promise<DirectoryPage<DirectoryRecords[E]>> {
    return this.asked(this.store.search(entity, query));
  }

  /**
   * Creates a record.
   * @param by Who creates it, for the audit log of the store. Default: the app.
   * @throws InvalidArgumentError naming an invalid setting, or `id` if it already exists.
   */
  async create<E extends DirectoryEntity>(
    entity: E,
    settings: DirectorySettings<E>,
    by: AuditActor = APP_ACTOR,
  ): Promise<DirectoryRecords[E]> {
    const now = new Date().toISOString();
    const record = await this.checked(entity, { ...settings, revision: 1, createdAt: now, updatedAt: now });
    const isNew = await this.asked(this.store.put(entity, record, entryOf(entity, 'created', by, { after: record })));
    if (!isNew) throw new InvalidArgumentError('id', record.id, 'must be new: this one already exists');
    this.cache.changed(entity, record.id);
    if (isLimited(entity)) this.spending[entity].begin(await this.accountOf(record as LimitedRecord));
    return record;
  }

  /**
   * Changes settings of a record. Returns it, or `undefined` for an unknown one.
   * @param by Who changes it, for the audit log of the store. Default: the app.
   * @throws InvalidArgumentError naming an invalid setting.
   */
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
      if (isLimited(entity))
        await this.spending[entity].carry(await this.accountOf(before as LimitedRecord), await this.accountOf(after as LimitedRecord));
      if (!(await this.asked(this.store.put(entity, after, entryOf(entity, actionOf(before, after), by, { before, after }))))) continue;
      this.cache.changed(entity, id);
      return after;
    }
    throw new FastLiteLLMError('API_KEY_CONFLICT', `${entity} ${id}: other processes are changing it at the same time; try again`);
  }

  /**
   * Deletes a record and its spend; of a team and a user also the memberships. Returns `false` for
   * an unknown one. Keys stay.
   * @param by Who deletes it, for the audit log of the store. Default: the app.
   * @throws InvalidArgumentError for a budget that other records refer to.
   */
  async delete(entity: DirectoryEntity, id: string, by: AuditActor = APP_ACTOR): Promise<boolean> {
    const before = await this.find(entity, id);
    if (before === undefined) return false;
    if (entity === 'teams' || entity === 'users') await this.removeMembers(entity === 'teams' ? { team: id } : { user: id }, by);
    const isRemoved = await this.asked(this.store.delete(entity, id, entryOf(entity, 'deleted', by, { before })));
    if (!isRemoved && entity === 'budgets') throw new InvalidArgumentError('budget_id', id, 'must not be used by keys or other records');
    this.cache.changed(entity, id);
    if (isRemoved && isLimited(entity)) await this.spending[entity].forget(await this.accountOf(before as LimitedRecord));
    return isRemoved;
  }

  /**
   * Returns what a record has spent: in the current window of its budget or, without one, in all.
   * `undefined` if the store of the rate limiter keeps no budgets, or is unavailable.
   */
  async spendingOf(entity: LimitedEntity, record: LimitedRecord): Promise<BudgetReport | undefined> {
    return this.spending[entity].shown(await this.accountOf(record));
  }

  /** Returns the limits of a record, with those of its budget. */
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

  /** Stops listening to the store, which its owner closes. @internal */
  close(): void {
    this.cache.close();
  }

  private async accountOf(record: LimitedRecord): Promise<{ readonly id: string; readonly limits: RateLimits | undefined }> {
    return { id: record.id, limits: await this.limitsOf(record) };
  }

  private async removeMembers(query: DirectoryQuery, by: AuditActor): Promise<void> {
    for (;;) {
      const { records } = await this.search('team_members', query);
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

  /** @throws ApiKeyError (503) if the store is away. */
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
