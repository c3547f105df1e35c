import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { samplesOf, type Capability, type CapabilityHealth, type MetricSample } from '../common/capability.js';
import { APP_ACTOR, type AuditActor, type AuditEntry, type AuditLog } from '../common/audit-log.js';
import { DatabaseError, errorMessage, FastLiteLLMError, InvalidArgumentError, unshown } from '../common/errors.js';
import { ApiKeyError, type ApiKeyRefusal } from '../common/http-errors.js';
import type { LogSink } from '../common/log-sink.js';
import { makeRoom } from '../common/collections.js';
import { refuseArgument } from '../common/options.js';
import { endUserOf } from '../http/end-user.js';
import { MASTER_PRINCIPAL, type Principal, type PrincipalScope } from '../http/principal.js';
import type { RequestContext } from '../http/request-context.js';
import { type HttpResponse } from '../http/request-context.js';
import { modelOf, priceByBody } from '../http/token-estimate/asked-tier.js';
import type { BudgetReport, RateLimiterService } from '../rate-limit/rate-limit.service.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';
import { hashApiKey, isApiKey, isNewApiKey, keyIn, NEW_KEY_RULE, newApiKey, ownPublicIdOf, publicIdOf, publicIdOfHash } from './api-key.js';
import {
  checkApiKeySettings,
  KEY_LIMIT_NAME,
  MOST_HASHES,
  type ApiKeyHash,
  type ApiKeyRecord,
  type ApiKeySettings,
} from './api-key-record.js';
import { aliasTaken, type ApiKeyPage, type ApiKeyQuery, type ApiKeyStore } from './api-key-store.js';
import type { ResolvedApiKeysOptions } from './api-keys.options.js';
import { KeyCache, KnownKey } from './key-cache.js';
import { DEFAULT_LIMIT, matching, searchWith } from './key-search.js';
import type { KeyDirectory } from './key-directory.js';
import { SoftBudgets, type SoftAccount } from './soft-budgets.js';
import { Spending, type SpendingAccount } from './spending.js';

/** A new key, which is shown only this once, and its record. */
export interface NewApiKey {
  /** Only the client keeps it. */
  readonly key: string;
  readonly record: ApiKeyRecord;
}

/** A key that was accepted in this process. */
export interface UsedApiKey {
  readonly record: ApiKeyRecord;
  /** When the key was last accepted. */
  readonly usedAt: Date;
}

/** Settings to change; `null` removes one. */
export type ApiKeyChanges = { readonly [K in keyof ApiKeySettings]?: ApiKeySettings[K] | null };

/** Dependencies for checking keys. */
export interface ApiKeysContext {
  readonly limiter: RateLimiterService;
  /** Prices usage that is reported without a cost. */
  readonly tokenCounter: TokenCounterService;
  readonly logger: LogSink;
  /** Teams, users and what else limits keys. Default: none. */
  readonly directory?: KeyDirectory;
  /** The wall clock in ms, for expiry. Default: that of the process. */
  readonly wall?: () => number;
}

/** Attempts to write a record that other processes change at the same time. */
const MOST_CONFLICTS = 5;
const MOST_LAST_USES = 10_000;
const OUTCOMES = ['accepted', 'missing', 'unknown', 'expired', 'blocked', 'unavailable'] as const;
type Outcome = (typeof OUTCOMES)[number];

/**
 * Authenticates requests by their API keys, and creates, changes and deletes keys. Only hashes are
 * stored; records are cached for 10 seconds, and a change in any process clears them at once if the
 * store has `onChange`.
 *
 * @example
 * const { key, record } = await keys.create({ alias: 'mobile', models: ['gpt-4o*'], limits: { usdPerMonth: 50 } });
 * await keys.update(record.publicId, { blocked: true });
 */
export class ApiKeyService implements Capability {
  readonly capability = 'api_keys';
  private readonly cache: KeyCache;
  private readonly spending: Spending;
  private readonly softBudgets: SoftBudgets;
  /**
   * Counts what keys spend.
   * @internal
   */
  readonly limiter: RateLimiterService;
  /**
   * Limits keys by their teams and users, and requests by their end users.
   * @internal
   */
  readonly directory: KeyDirectory | undefined;
  private readonly store: ApiKeyStore | undefined;
  private readonly master: Buffer | undefined;
  private readonly configured: ReadonlyMap<string, KnownKey>;
  /** Requests by what became of their key. */
  private readonly counts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Record<Outcome, number>;
  /** By public id: keys that were accepted in this process, in the order of their last use. */
  private readonly lastUses = new Map<string, { readonly record: ApiKeyRecord; readonly usedMs: number }>();
  /** The last of them. */
  private latestUse: string | undefined = undefined;
  private readonly stopListening: (() => void) | undefined;
  private readonly wall: () => number;
  private failure: string | undefined = undefined;

  /** Where its lines go. @internal */
  readonly log: LogSink;

  /** @internal Made by `FastLiteLLMKeysModule`. */
  constructor(
    private readonly options: ResolvedApiKeysOptions,
    private readonly context: ApiKeysContext,
  ) {
    const { store, configured, masterKey, maxStaleMs } = options;
    this.store = store;
    this.log = context.logger;
    this.directory = context.directory;
    this.limiter = context.limiter;
    this.spending = new Spending(context.limiter);
    this.softBudgets = new SoftBudgets(context.limiter);
    this.wall = context.wall ?? (() => Date.now());
    this.master = typeof masterKey === 'string' ? hashBytes(masterKey) : undefined;
    this.configured = new Map([...configured].map(([publicId, record]) => [publicId, new KnownKey(record)]));
    for (const record of configured.values()) this.checkAllLimits(record);
    this.cache = new KeyCache((publicId) => this.load(publicId), maxStaleMs, undefined, store);
    this.stopListening = store?.onChange?.((publicId) => this.cache.changed(publicId));
  }

  /** Whether a master key is set: without one, keys cannot be managed over HTTP. */
  get hasMasterKey(): boolean {
    return this.master !== undefined;
  }

  /**
   * Returns the sender of a request with these headers.
   * @throws ApiKeyError without a valid key (401), with a blocked one (403), and if the store is
   * unavailable and the key is not cached (503).
   */
  async authenticate(headers: IncomingHttpHeaders): Promise<Principal> {
    const key = keyIn(headers, this.options.header);
    if (key === undefined) throw this.refused('missing', { header: this.options.header });
    const hash = hashBytes(key);
    if (this.isMaster(hash)) {
      this.counts.accepted++;
      return MASTER_PRINCIPAL;
    }
    const ownId = ownPublicIdOf(key);
    const publicId = ownId ?? importedIdOf(key, hash);
    if (publicId === undefined) throw this.refused('unknown');
    let known = this.configured.get(publicId) ?? this.cache.fresh(publicId) ?? (await this.lookUp(publicId));
    const nowMs = this.wall();
    let fault = known === undefined ? 'unknown' : known.faultOf(hash, nowMs);
    if (fault === 'unknown' && ownId !== undefined) {
      const imported = await this.importedKey(key, hash);
      if (imported !== undefined) [known, fault] = [imported, imported.faultOf(hash, nowMs)];
    }
    if (known === undefined || fault !== undefined) {
      this.refreshUse(known?.record);
      throw this.refused(fault ?? 'unknown');
    }
    this.noteUse(known.record, nowMs);
    const isRaised = nowMs < known.raisedUntilMs;
    const principal = isRaised ? known.raised : known.principal;
    if (this.directory !== undefined) return this.inDirectory(known.record, principal, isRaised);
    this.counts.accepted++;
    return principal;
  }

  private async inDirectory(record: ApiKeyRecord, principal: Principal, isRaised: boolean): Promise<Principal> {
    try {
      const found = this.directory?.principalOf(record, principal, isRaised) ?? principal;
      const sender = found instanceof Promise ? await found : found;
      this.counts.accepted++;
      return sender;
    } catch (error) {
      if (!(error instanceof ApiKeyError)) throw this.refused('unavailable', { cause: error });
      this.counts.blocked++;
      throw error;
    }
  }

  /**
   * Creates a key.
   * @param key An existing key, such as LiteLLM's. Default: a new one.
   * @param by Who creates it, for the audit log of the store. Default: the app.
   * @throws InvalidArgumentError naming an invalid setting, or an alias or key that already exists.
   */
  async create(settings: ApiKeySettings = {}, key: string = newApiKey(), by: AuditActor = APP_ACTOR): Promise<NewApiKey> {
    const checked = this.checkSettings(settings);
    const publicId = isNewApiKey(key) ? publicIdOf(key) : undefined;
    if (publicId === undefined) throw new InvalidArgumentError('key', unshown(key), NEW_KEY_RULE);
    if (this.isMaster(hashBytes(key))) throw new InvalidArgumentError('key', unshown(key), 'must differ from the master key');
    await this.checkAlias(checked.alias, publicId);
    await this.checkBudget(checked.budget);
    const now = this.nowText();
    const record = { publicId, hashes: [{ sha256: hashApiKey(key) }], revision: 1, createdAt: now, updatedAt: now, ...checked };
    const isFree =
      !this.configured.has(publicId) && (await this.asked(this.writableStore().put(record, entryOf(by, 'created', { after: record }))));
    if (!isFree) throw new InvalidArgumentError('key', unshown(key), 'must be a new key: this one already exists');
    this.cache.changed(publicId);
    this.spending.begin(await this.accountOf(record));
    return { key, record };
  }

  /** Returns the record of a key; `undefined` for an unknown one. Queries the store. */
  async find(publicId: string): Promise<ApiKeyRecord | undefined> {
    return this.configured.get(publicId)?.record ?? (await this.asked(this.store?.findByPublicId(publicId)));
  }

  /** Returns all records, those of the configuration first. */
  async list(): Promise<readonly ApiKeyRecord[]> {
    const stored = (await this.asked(this.store?.list())) ?? [];
    return [...[...this.configured.values()].map(({ record }) => record), ...stored];
  }

  /** Returns the record with an alias; `undefined` if no key has it. Queries the store. */
  async findByAlias(alias: string): Promise<ApiKeyRecord | undefined> {
    for (const { record } of this.configured.values()) if (record.alias === alias) return record;
    if (this.store?.findByAlias !== undefined) return this.asked(this.store.findByAlias(alias));
    return (await this.asked(this.store?.list()))?.find((record) => record.alias === alias);
  }

  /** Returns a page of the keys that match, the newest first. */
  async search(query: ApiKeyQuery = {}): Promise<ApiKeyPage> {
    const { store } = this;
    const configured = [...this.configured.values()].map(({ record }) => record);
    if (store?.search !== undefined)
      return searchWith((page) => this.asked(store.search!(page)), matching(configured, query, this.wall()), query);
    const found = matching(await this.list(), query, this.wall());
    const { limit = DEFAULT_LIMIT, offset = 0 } = query;
    return { records: found.slice(offset, offset + limit), total: found.length };
  }

  /** The store's log of who changed which key; `undefined` if it keeps none. */
  get auditLog(): AuditLog | undefined {
    return this.store?.audit;
  }

  /**
   * Changes settings of a key. Returns its record, or `undefined` for an unknown key.
   * @param by Who changes it, for the audit log of the store. Default: the app.
   * @throws InvalidArgumentError naming an invalid setting, or an alias that another key has.
   */
  async update(publicId: string, changes: ApiKeyChanges, by: AuditActor = APP_ACTOR): Promise<ApiKeyRecord | undefined> {
    if (typeof changes.alias === 'string') await this.checkAlias(changes.alias, publicId);
    await this.checkBudget(changes.budget);
    const change = (record: ApiKeyRecord): ApiKeyRecord => changed(record, changes, (settings) => this.checkSettings(settings));
    return this.rewrite(publicId, change, (before, after) => entryOf(by, updateOf(before, after), { before, after }));
  }

  /**
   * Replaces the secret of a key, and changes its settings. The public id, counters and budgets
   * stay. At most 8 secrets are valid at a time, the newest ones.
   * @param graceMs How long the former secret stays valid, in ms. Default 0.
   * @param by Who rotates it, for the audit log of the store. Default: the app.
   */
  async rotate(publicId: string, graceMs = 0, changes: ApiKeyChanges = {}, by: AuditActor = APP_ACTOR): Promise<NewApiKey | undefined> {
    if (!Number.isSafeInteger(graceMs) || graceMs < 0)
      throw new InvalidArgumentError('graceMs', graceMs, 'must be an integer of at least 0');
    if (typeof changes.alias === 'string') await this.checkAlias(changes.alias, publicId);
    await this.checkBudget(changes.budget);
    const key = newApiKey(publicId);
    const change = (before: ApiKeyRecord): ApiKeyRecord => {
      const next = changed(before, changes, (settings) => this.checkSettings(settings));
      const former = graceMs === 0 ? [] : this.expiring(before.hashes, this.wall() + graceMs);
      return { ...next, hashes: [{ sha256: hashApiKey(key) }, ...former].slice(0, MOST_HASHES) };
    };
    const record = await this.rewrite(publicId, change, (before, after) => entryOf(by, 'rotated', { before, after }));
    return record && { key, record };
  }

  /**
   * Deletes a key and its spend. Returns `false` for an unknown one.
   * @param by Who deletes it, for the audit log of the store. Default: the app.
   */
  async delete(publicId: string, by: AuditActor = APP_ACTOR): Promise<boolean> {
    this.refuseConfigured(publicId);
    const store = this.writableStore();
    // One that cannot be read can be removed.
    const record = await store.findByPublicId(publicId).catch(() => undefined);
    const isRemoved = await this.asked(store.delete(publicId, entryOf(by, 'deleted', { before: record ?? { publicId } })));
    if (isRemoved && record !== undefined) await this.spending.forget(await this.accountOf(record));
    this.cache.changed(publicId);
    this.lastUses.delete(publicId);
    return isRemoved;
  }

  /**
   * Returns when a key was last accepted in this process; `undefined`: not since the process
   * started.
   */
  lastUsedAt(publicId: string): Date | undefined {
    const use = this.lastUses.get(publicId);
    return use === undefined ? undefined : new Date(use.usedMs);
  }

  /** Returns the keys accepted in this process, the most recently used first. */
  lastUsed(most: number): readonly UsedApiKey[] {
    const latest = [...this.lastUses.values()].slice(-most).reverse();
    return latest.map(({ record, usedMs }) => ({ record, usedAt: new Date(usedMs) }));
  }

  /** Returns the current state of a key's budgets; an empty list if it has none. */
  async budgetsOf(record: ApiKeyRecord): Promise<readonly BudgetReport[]> {
    return this.spending.budgetsOf(await this.accountOf(record));
  }

  /**
   * Returns what a key has spent, as LiteLLM shows it: in the current window of `usdPerWindow`,
   * else in total, else in its month or day. Without a limit on its money, `limitUsd` is 4 million.
   * `undefined` if the store of the rate limiter keeps no budgets, or is unavailable.
   */
  async spendingOf(record: ApiKeyRecord): Promise<BudgetReport | undefined> {
    return this.spending.shown(await this.accountOf(record));
  }

  /**
   * Sets what a key has spent, in USD: in the current window of each of its budgets or, without
   * budgets, in total. Default 0.
   * @param by Who sets it, for the audit log of the store. Default: the app.
   */
  async resetSpend(record: ApiKeyRecord, usd = 0, by: AuditActor = APP_ACTOR): Promise<void> {
    const account = await this.accountOf(record);
    const before = this.auditLog && (await this.spending.shown(account));
    await this.spending.set(account, usd);
    const { publicId } = record;
    const change = { before: { publicId, spendUsd: before?.spentUsd ?? null }, after: { publicId, spendUsd: usd } };
    await this.auditLog?.record(entryOf(by, 'spend_reset', change));
  }

  /**
   * Adds the limits of the end user that a request names. Only with a directory.
   * @throws ApiKeyError if the end user is blocked
   * @internal
   */
  limitByCustomer(
    context: RequestContext,
    { headers, body }: { readonly headers?: IncomingHttpHeaders; readonly body?: unknown },
  ): Promise<void> | void {
    const id = endUserOf(headers ?? {}, body);
    const scopes = id === undefined ? undefined : this.directory?.customerScopes(id);
    if (!(scopes instanceof Promise)) context.customer = scopes;
    else return scopes.then((found) => void (context.customer = found));
  }

  /**
   * Counts what an authenticated request costs for its key and its team, where no budget does.
   * @internal
   */
  countSpending(context: RequestContext, body: unknown, response: HttpResponse | undefined): void {
    const { principal } = context;
    const isOfKey = principal?.keyId !== undefined && this.spending.counts(principal.limits);
    const others = this.directory === undefined ? undefined : this.unbudgeted(context);
    const soft = this.directory === undefined && principal?.softBudgetUsd === undefined ? undefined : softAccountsOf(context);
    if (!isOfKey && others === undefined && soft === undefined) return;
    const keyId = isOfKey ? principal.keyId : undefined;
    const model = modelOf(body);
    const priceOf = model === undefined ? () => undefined : priceByBody(this.context.tokenCounter, body, model);
    context.hold.countSpend((nanoUsd) => {
      if (keyId !== undefined) this.spending.add(keyId, nanoUsd);
      if (others !== undefined) for (const { name, key } of others) this.spending.addUnder(name, key, nanoUsd);
      if (soft !== undefined) for (const account of soft) this.softBudgets.spent(account, nanoUsd);
    }, priceOf);
    // A request without a model may look up a stored answer, whose usage is not its own.
    if (response !== undefined) context.settleWith(response, model !== undefined);
  }

  /** Current metrics of this capability, as data. */
  metrics(): readonly MetricSample[] {
    const sample = samplesOf('api_keys');
    const { lookups, failures, stale } = this.cache.counts;
    const help = 'Requests, by outcome of their API key check.';
    return [
      ...OUTCOMES.map((outcome) => sample('requests_total', help, 'counter', this.counts[outcome], { outcome })),
      sample('cached', 'API keys in the cache.', 'gauge', this.cache.size),
      sample('store_lookups_total', 'Lookups in the store of API keys.', 'counter', lookups),
      sample('store_failures_total', 'Lookups that failed in the store of API keys.', 'counter', failures),
      sample('stale_total', 'Stale API keys used because the store was unavailable.', 'counter', stale),
      sample(
        'uncounted_requests_total',
        'Requests with keys without a budget whose cost the rate limit store did not record.',
        'counter',
        this.spending.lost,
      ),
    ];
  }

  /** Checks whether the store answers. */
  health(): CapabilityHealth {
    const reason = this.store?.fault?.() ?? this.failure;
    const store = this.store?.kind ?? 'configuration';
    return { status: reason === undefined ? 'ok' : 'degraded', engine: 'typescript', store, ...(reason !== undefined && { reason }) };
  }

  /** Closes the store. Can be called more than once. */
  async close(): Promise<void> {
    this.stopListening?.();
    this.directory?.close?.();
    await this.store?.close?.();
  }

  /**
   * Returns the scopes of a request whose spend no budget counts; `undefined` if there are none.
   */
  private unbudgeted({ principal, customer }: RequestContext): readonly PrincipalScope[] | undefined {
    const scopes = [...(principal?.scopes ?? []), ...(customer ?? [])].filter(({ limits }) => this.spending.counts(limits));
    return scopes.length === 0 ? undefined : scopes;
  }

  /** A key and its limits, with those of its budget. */
  private async accountOf(record: ApiKeyRecord): Promise<SpendingAccount> {
    const { publicId: id, limits, budget } = record;
    if (budget === undefined || this.directory === undefined) return { id, limits };
    return { id, limits: await this.asked(this.directory.limitsOf(record)) };
  }

  private isMaster(hash: Buffer): boolean {
    return this.master !== undefined && timingSafeEqual(hash, this.master);
  }

  /** A key of another program whose form is that of this package's keys. */
  private async importedKey(key: string, hash: Buffer): Promise<KnownKey | undefined> {
    const publicId = importedIdOf(key, hash);
    return publicId === undefined ? undefined : (this.configured.get(publicId) ?? this.lookUp(publicId));
  }

  private async lookUp(publicId: string): Promise<KnownKey | undefined> {
    if (this.store === undefined) return undefined;
    try {
      return await this.cache.get(publicId);
    } catch (error) {
      throw this.refused('unavailable', { cause: error });
    }
  }

  /** The first of several failures is logged: one outage would fill the log. */
  private async load(publicId: string): Promise<ApiKeyRecord | undefined> {
    try {
      const record = await this.store?.findByPublicId(publicId);
      if (record !== undefined) this.checkAllLimits(record);
      this.noteFault(this.store?.fault?.());
      return record;
    } catch (error) {
      this.noteFailure(error);
      throw error;
    }
  }

  /** A store that answers with what it read before, because it cannot be read now. */
  private noteFault(reason: string | undefined): void {
    if (reason !== undefined && this.failure === undefined)
      this.log.warn(`API keys: the ${this.store?.kind} store is invalid (${reason}); correct it (keys read earlier stay valid)`);
    this.failure = reason;
  }

  private noteFailure(error: unknown): void {
    const reason = errorMessage(error);
    if (this.failure === undefined)
      this.log.warn(`API keys: the ${this.store?.kind} store cannot be read (${reason}); known keys stay valid for keys.maxStaleMs`);
    this.failure = reason;
  }

  /**
   * Awaits the store for callers that manage keys.
   * @throws ApiKeyError (503) for errors from outside this package: the store is unavailable.
   */
  private async asked<T>(answer: Promise<T>): Promise<T>;
  private async asked<T>(answer: Promise<T> | undefined): Promise<T | undefined>;
  private async asked<T>(answer: Promise<T> | undefined): Promise<T | undefined> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof FastLiteLLMError && !(error instanceof DatabaseError)) throw error;
      this.noteFailure(error);
      throw this.refused('unavailable', { cause: error });
    }
  }

  /** A key that is refused now, because it was changed since its last use, is shown as it is. */
  private refreshUse(record: ApiKeyRecord | undefined): void {
    const use = record && this.lastUses.get(record.publicId);
    if (record !== undefined && use !== undefined && use.record !== record) this.lastUses.set(record.publicId, { ...use, record });
  }

  private noteUse(record: ApiKeyRecord, usedMs: number): void {
    const { lastUses } = this;
    // Deleted first, so that the key becomes the last one. A map is copied after a few deletions.
    if (this.latestUse !== record.publicId) {
      lastUses.delete(record.publicId);
      if (lastUses.size >= MOST_LAST_USES) makeRoom(lastUses, MOST_LAST_USES);
      this.latestUse = record.publicId;
    }
    lastUses.set(record.publicId, { record, usedMs });
  }

  private refused(reason: Outcome & ApiKeyRefusal, options?: { cause?: unknown; header?: string }): ApiKeyError {
    this.counts[reason]++;
    return new ApiKeyError(reason, options);
  }

  /** Writes what `change` makes of the record, and again where another process was first. */
  private async rewrite(
    publicId: string,
    change: (record: ApiKeyRecord) => ApiKeyRecord,
    entry: (before: ApiKeyRecord, after: ApiKeyRecord) => AuditEntry,
  ): Promise<ApiKeyRecord | undefined> {
    this.refuseConfigured(publicId);
    const store = this.writableStore();
    for (let attempt = 0; attempt < MOST_CONFLICTS; attempt++) {
      const before = await this.asked(store.findByPublicId(publicId));
      if (before === undefined) return undefined;
      const record = { ...change(before), revision: (before.revision ?? 1) + 1, updatedAt: this.nowText() };
      await this.spending.carry(await this.accountOf(before), await this.accountOf(record));
      if (!(await this.asked(store.put(record, entry(before, record))))) continue;
      this.cache.changed(publicId);
      return record;
    }
    throw new FastLiteLLMError('API_KEY_CONFLICT', `API key ${publicId}: other processes are changing it at the same time; try again`);
  }

  /** Former secrets that have not expired yet. */
  private expiring(hashes: readonly ApiKeyHash[], untilMs: number): readonly ApiKeyHash[] {
    const nowMs = this.wall();
    return hashes.flatMap(({ sha256, validUntil }) => {
      const endMs = Math.min(untilMs, validUntil === undefined ? Infinity : Date.parse(validUntil));
      return endMs <= nowMs ? [] : [{ sha256, validUntil: new Date(endMs).toISOString() }];
    });
  }

  private checkSettings(settings: ApiKeySettings): ApiKeySettings {
    const checked = checkApiKeySettings('', settings, refuseArgument);
    this.checkAllLimits(checked);
    return checked;
  }

  private checkAllLimits({ limits, modelLimits }: ApiKeySettings): void {
    this.checkLimits(limits);
    if (modelLimits !== undefined) for (const model of Object.keys(modelLimits)) this.checkLimits(modelLimits[model]);
  }

  /** Whether the limiter's store can keep them. */
  private checkLimits(limits: ApiKeySettings['limits']): void {
    if (limits !== undefined) this.context.limiter.limitOf({ limit: KEY_LIMIT_NAME, limits });
  }

  private async checkAlias(alias: string | undefined, publicId: string): Promise<void> {
    if (alias === undefined) return;
    const other = await this.findByAlias(alias);
    if (other !== undefined && other.publicId !== publicId) throw aliasTaken(alias);
  }

  private async checkBudget(id: string | null | undefined): Promise<void> {
    if (id === undefined || id === null) return;
    if (this.directory === undefined)
      throw new InvalidArgumentError('budget', id, 'requires a store with budgets, such as postgresStore({ url })');
    if (!(await this.asked(this.directory.hasBudget(id)))) throw new InvalidArgumentError('budget', id, 'must exist');
  }

  private refuseConfigured(publicId: string): void {
    if (!this.configured.has(publicId)) return;
    throw new InvalidArgumentError('key', publicId, 'is defined in the configuration: change it there');
  }

  private writableStore(): ApiKeyStore {
    if (this.store !== undefined) return this.store;
    const advice = 'set keys.store to fileApiKeyStore(path), redisApiKeyStore({ url }), postgresStore({ url }) or your own store';
    throw new FastLiteLLMError('API_KEY_STORE_MISSING', `API keys: no store is configured for new keys; ${advice}`);
  }

  private nowText(): string {
    return new Date(this.wall()).toISOString();
  }
}

/** Whose soft budgets a request counts in; `undefined`: none. */
function softAccountsOf({ principal, customer }: RequestContext): readonly SoftAccount[] | undefined {
  const own = principal && [{ name: KEY_LIMIT_NAME, key: principal.limitKey, ...principal }];
  const accounts = [...(own ?? []), ...(principal?.scopes ?? []), ...(customer ?? [])].flatMap(({ name, key, limits, softBudgetUsd }) =>
    softBudgetUsd === undefined ? [] : [{ name, key, limits, softBudgetUsd }],
  );
  return accounts.length === 0 ? undefined : accounts;
}

/** The record with other settings; a setting that is `null` is removed. */
function changed(record: ApiKeyRecord, changes: ApiKeyChanges, check: (settings: ApiKeySettings) => ApiKeySettings): ApiKeyRecord {
  const { publicId, hashes, revision, createdAt, updatedAt, ...settings } = record;
  const given = Object.entries({ ...settings, ...changes }).filter(([, value]) => value !== null);
  return { publicId, hashes, revision, createdAt, updatedAt, ...check(Object.fromEntries(given)) };
}

/** LiteLLM's name for an update. */
function updateOf(before: ApiKeyRecord, after: ApiKeyRecord): string {
  if ((before.blocked ?? false) === (after.blocked ?? false)) return 'updated';
  return after.blocked === true ? 'blocked' : 'unblocked';
}

interface KeyChange {
  readonly before?: Partial<ApiKeyRecord>;
  readonly after?: Partial<ApiKeyRecord>;
}

/** An entry of the audit log, without hashes. */
function entryOf(by: AuditActor, action: string, change: KeyChange): AuditEntry {
  const { before, after } = change;
  const entityId = String((after ?? before)?.publicId);
  return { ...by, action, entity: 'keys', entityId, before: before && withoutHashes(before), after: after && withoutHashes(after) };
}

function withoutHashes({ hashes, ...record }: Partial<ApiKeyRecord>): object {
  return hashes === undefined ? record : { ...record, secrets: hashes.length };
}

/** `undefined` for a text that is not a key: a stolen hash never authenticates. */
function importedIdOf(key: string, hash: Buffer): string | undefined {
  return isApiKey(key) ? publicIdOfHash(hash.toString('hex')) : undefined;
}

function hashBytes(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
