import { createHmac } from 'node:crypto';
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
import { modelOf, priceByBody } from '../http/token-estimate/requested-tier.js';
import type { RateLimits } from '../rate-limit/limits.js';
import type { BudgetReport, RateLimiterService } from '../rate-limit/rate-limit.service.js';
import type { RateLimitResult } from '../rate-limit/reservation.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';
import {
  isApiKey,
  isNewApiKey,
  keyIn,
  NEW_KEY_RULE,
  newApiKey,
  ownPublicIdOf,
  publicIdOf,
  publicIdOfHash,
  hashApiKey,
  isSameKey,
  keyHashOf,
  type ApiKeyHash,
} from './api-key.js';
import { checkApiKeySettings, KEY_LIMIT_NAME, MOST_HASHES, type ApiKeyRecord, type ApiKeySettings } from './api-key-record.js';
import { aliasTaken, type ApiKeyPage, type ApiKeyQuery, type ApiKeyStore } from './api-key-store.js';
import type { ResolvedApiKeysOptions } from './api-keys.options.js';
import { KeyCache, KnownKey } from './key-cache.js';
import { DEFAULT_LIMIT, matching, searchWith } from './key-search.js';
import type { KeyDirectory } from './key-directory.js';
import { SoftBudgets, type SoftAccount } from './soft-budgets.js';
import { KEY_ACCOUNTS, Spending, type SpendingAccount } from './spending.js';

/** A new key, which is shown only this once, and its record. */
export interface NewApiKey {
  /** The secret, which is not stored. */
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

/**
 * Changes to a key, or a function of its current record: called again if another process has
 * changed the record.
 */
export type ApiKeyChange = ApiKeyChanges | ((record: ApiKeyRecord) => ApiKeyChanges);

/** The limits of a key, with those of its budget, and what they have left. */
export interface KeyStanding {
  readonly limits: RateLimits;
  readonly left: RateLimitResult;
  /** What would be decided about a request now. */
  readonly next: RateLimitResult;
}

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
   * Counts the spend of keys.
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

  /** Receives the log lines. @internal */
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
    this.master = typeof masterKey === 'string' ? keyHashOf(masterKey) : undefined;
    this.configured = new Map([...configured].map(([publicId, record]) => [publicId, new KnownKey(record)]));
    for (const record of configured.values()) this.checkAllLimits(record);
    this.cache = new KeyCache((publicId) => this.load(publicId), maxStaleMs, undefined, store);
    this.stopListening = store?.onChange?.((publicId) => this.cache.changed(publicId));
  }

  /** Whether a master key is set; without one, keys cannot be managed over HTTP. */
  get hasMasterKey(): boolean {
    return this.master !== undefined;
  }

  /**
   * Returns whether this is the master key, in constant time.
   * @internal
   */
  isMasterKey(text: string): boolean {
    return this.isMaster(keyHashOf(text));
  }

  /** Whether keys can be created and changed: the app has a store. @internal */
  get hasStore(): boolean {
    return this.store !== undefined;
  }

  /** Whether a key is defined in the configuration, so that it cannot be changed. @internal */
  isConfigured(publicId: string): boolean {
    return this.configured.has(publicId);
  }

  /** Whether the keys are in a database that responds. @internal */
  get hasDatabase(): boolean {
    return this.store?.kind === 'postgres' && this.store.fault?.() === undefined;
  }

  /**
   * HMAC-SHA256 of a text with the master key: for sessions that end when it changes.
   * @internal
   */
  signWithMasterKey(text: string): Buffer {
    if (this.master === undefined) throw new Error('no master key is set');
    return createHmac('sha256', this.master).update(text).digest();
  }

  /**
   * A secret of all processes with the same master key; `undefined` without one.
   * @internal
   */
  get sharedSecret(): string | undefined {
    return this.master?.toString('hex');
  }

  /**
   * Returns the sender of a request with these headers.
   * @throws ApiKeyError without a valid key (401), with a blocked one (403), and if the store is
   * unavailable and the key is not cached (503).
   */
  async authenticate(headers: IncomingHttpHeaders): Promise<Principal> {
    const key = keyIn(headers, this.options.header);
    if (key === undefined) throw this.refused('missing', { header: this.options.header });
    const hash = keyHashOf(key);
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
   * @param by The actor, for the audit log of the store. Default: the app.
   * @throws InvalidArgumentError naming an invalid setting, or an alias or key that already exists.
   */
  async create(settings: ApiKeySettings = {}, key: string = newApiKey(), by: AuditActor = APP_ACTOR): Promise<NewApiKey> {
    const checked = this.checkSettings(settings);
    const publicId = isNewApiKey(key) ? publicIdOf(key) : undefined;
    if (publicId === undefined) throw new InvalidArgumentError('key', unshown(key), NEW_KEY_RULE);
    if (this.isMaster(keyHashOf(key))) throw new InvalidArgumentError('key', unshown(key), 'must differ from the master key');
    await this.checkAlias(checked.alias, publicId);
    await this.checkBudget(checked.budget);
    const now = this.nowText();
    const record = { publicId, hashes: [{ sha256: hashApiKey(key) }], revision: 1, createdAt: now, updatedAt: now, ...checked };
    const isFree =
      !this.configured.has(publicId) && (await this.asked(this.writableStore().put(record, entryOf(by, 'created', { after: record }))));
    if (!isFree) throw new InvalidArgumentError('key', unshown(key), 'must be a new key; this key already exists');
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
  async update(publicId: string, changes: ApiKeyChange, by: AuditActor = APP_ACTOR): Promise<ApiKeyRecord | undefined> {
    const entry = (before: ApiKeyRecord, after: ApiKeyRecord): AuditEntry => entryOf(by, updateOf(before, after), { before, after });
    return this.rewrite(publicId, changes, ({ hashes }) => hashes, entry);
  }

  /**
   * Replaces the secret of a key, and changes its settings. The public id, counters and budgets are
   * kept. Only the newest 8 secrets are valid at a time.
   * @param graceMs How long the previous secret stays valid, in ms. Default 0.
   * @param by Who rotates it, for the audit log of the store. Default: the app.
   */
  async rotate(publicId: string, graceMs = 0, changes: ApiKeyChange = {}, by: AuditActor = APP_ACTOR): Promise<NewApiKey | undefined> {
    if (!Number.isSafeInteger(graceMs) || graceMs < 0)
      throw new InvalidArgumentError('graceMs', graceMs, 'must be an integer of at least 0');
    const key = newApiKey(publicId);
    const hashesOf = ({ hashes }: ApiKeyRecord): readonly ApiKeyHash[] => {
      const former = graceMs === 0 ? [] : this.expiring(hashes, this.wall() + graceMs);
      return [{ sha256: hashApiKey(key) }, ...former].slice(0, MOST_HASHES);
    };
    const record = await this.rewrite(publicId, changes, hashesOf, (before, after) => entryOf(by, 'rotated', { before, after }));
    return record && { key, record };
  }

  /**
   * Deletes a key and its spend. Returns `false` for an unknown one.
   * @param by Who deletes it, for the audit log of the store. Default: the app.
   */
  async delete(publicId: string, by: AuditActor = APP_ACTOR): Promise<boolean> {
    this.refuseConfigured(publicId);
    const store = this.writableStore();
    // An unreadable record can be deleted, too.
    const record = await store.findByPublicId(publicId).catch(() => undefined);
    const isRemoved = await this.asked(store.delete(publicId, entryOf(by, 'deleted', { before: record ?? { publicId } })));
    if (isRemoved && record !== undefined) await this.spending.forget(await this.accountOf(record));
    this.cache.changed(publicId);
    this.lastUses.delete(publicId);
    return isRemoved;
  }

  /** Returns when a key was last accepted in this process; `undefined` if it was not. */
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
   * Returns what the limits of a key have left, and whether they would allow a request now; charges
   * nothing. `undefined` for a key without limits.
   * @internal
   */
  async standingOf(record: ApiKeyRecord): Promise<KeyStanding | undefined> {
    const { id, limits } = await this.accountOf(record);
    if (limits === undefined) return undefined;
    const [key, choice] = [`${KEY_ACCOUNTS.prefix}${id}`, { limit: KEY_ACCOUNTS.name, limits }];
    const [left, next] = await Promise.all([this.limiter.peekAsync(key, { ...choice, cost: 0 }), this.limiter.peekAsync(key, choice)]);
    return { limits, left, next };
  }

  /**
   * Returns the spend of a key as LiteLLM shows it: in the current window of `usdPerWindow`,
   * otherwise in total, otherwise in its month or day. Without a budget, `limitUsd` is 4 million.
   * `undefined` if the rate limiter's store has no budgets or is unavailable.
   */
  async spendingOf(record: ApiKeyRecord): Promise<BudgetReport | undefined> {
    return this.spending.shown(await this.accountOf(record));
  }

  /**
   * Sets the spend of a key in USD: in the current window of each of its budgets or, without
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
   * Adds the limits of the end user in a request. Only with a directory.
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
   * Adds the cost of an authenticated request to the spend of its key and team, if they have no
   * budget.
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
      if (others !== undefined) for (const { name, key, counted } of others) this.spending.addUnder(name, key, nanoUsd, counted);
      if (soft !== undefined) for (const account of soft) this.softBudgets.spent(account, nanoUsd);
    }, priceOf);
    // A request without a model can retrieve a stored answer, whose usage is not its own.
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

  /** Checks whether the store responds. */
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
    return this.master !== undefined && isSameKey(hash, this.master);
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

  /** A store that returns cached data, because it cannot be read now. */
  private noteFault(reason: string | undefined): void {
    if (reason !== undefined && this.failure === undefined)
      this.log.warn(
        `API keys: the ${this.store?.kind} store has invalid data (${reason}); correct the data (keys read earlier stay valid)`,
      );
    this.failure = reason;
  }

  private noteFailure(error: unknown): void {
    const reason = errorMessage(error);
    if (this.failure === undefined)
      this.log.warn(`API keys: the ${this.store?.kind} store cannot be read (${reason}); cached keys stay valid for keys.maxStaleMs`);
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

  /** Writes a changed record, and again if another process was first. */
  private async rewrite(
    publicId: string,
    changes: ApiKeyChange,
    hashesOf: (before: ApiKeyRecord) => readonly ApiKeyHash[],
    entry: (before: ApiKeyRecord, after: ApiKeyRecord) => AuditEntry,
  ): Promise<ApiKeyRecord | undefined> {
    this.refuseConfigured(publicId);
    const store = this.writableStore();
    for (let attempt = 0; attempt < MOST_CONFLICTS; attempt++) {
      const before = await this.asked(store.findByPublicId(publicId));
      if (before === undefined) return undefined;
      const given = typeof changes === 'function' ? changes(before) : changes;
      if (typeof given.alias === 'string') await this.checkAlias(given.alias, publicId);
      await this.checkBudget(given.budget);
      const settings = changed(before, given, (all) => this.checkSettings(all));
      const version = { revision: (before.revision ?? 1) + 1, updatedAt: this.nowText() };
      const record = { ...settings, hashes: hashesOf(before), ...version };
      await this.spending.carry(await this.accountOf(before), await this.accountOf(record));
      if (!(await this.asked(store.put(record, entry(before, record))))) continue;
      this.cache.changed(publicId);
      return record;
    }
    throw new FastLiteLLMError('API_KEY_CONFLICT', `API key ${publicId}: other processes are changing it at the same time; try again`);
  }

  /** Previous secrets that have not expired yet. */
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
    throw new InvalidArgumentError('key', publicId, 'is defined in the configuration; change it there');
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
  const scopes: readonly PrincipalScope[] = [...(own ?? []), ...(principal?.scopes ?? []), ...(customer ?? [])];
  const accounts = scopes.flatMap(({ name, key, limits, counted, softBudgetUsd }) =>
    softBudgetUsd === undefined ? [] : [{ name, key, limits: counted ?? limits, softBudgetUsd }],
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
