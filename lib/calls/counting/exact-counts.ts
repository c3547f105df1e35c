import { makeRoom } from '../../common/collections.js';
import { createHmac, randomBytes } from 'node:crypto';
import type { Fields } from '../../common/objects.js';
import { FastLiteLLMError, InvalidArgumentError } from '../../common/errors.js';
import { DeploymentMisconfiguredError, UnsupportedRequestError } from '../../common/http-errors.js';
import { ProviderError, type ProviderFailureKind } from '../../common/provider-error.js';
import type { Candidate } from '../../router/selection/candidates.js';
import { reasonOf } from '../failure.js';
import { bridgeOf } from '../../apis/bridges.js';
import type { KnownEndpoint } from '../../providers/endpoint/endpoints.js';
import type { CountCall, CountedOperation, SentRequest } from '../../providers/protocol.js';
import { baseModelOf, type ProviderAccess } from '../send/provider-request.js';
import { upstreamModel } from '../../providers/endpoint/resolution.js';
import { partsOf } from '../../providers/provider-transport.js';
import type { ApiCallRequest } from '../call-request.js';
import type { ModelRequest } from '../../providers/model-request.js';
import { promptFields } from '../../apis/counted-request.js';
import { countAtProvider, type Counting } from './count-exchange.js';
import { CountingAccount, type AccountRefusal } from './counting-account.js';
import type { ResolvedExactCountOptions } from './exact-counts.options.js';

/**
 * Why no provider counted a prompt: the model has no deployment (`no_deployment`), no provider can
 * count such a request (`unsupported`), a call hook might change it (`hooks`), the limits of
 * `exactCounts` are reached (`limited`), or the way in which the provider failed.
 */
export type LocalCountReason = 'no_deployment' | 'unsupported' | 'hooks' | 'limited' | ProviderFailureKind;

/** A prompt's tokens, and the source of the count. */
export interface ExactTokens {
  readonly promptTokens: number;
  /**
   * `provider`: its counting endpoint; `cache`: an earlier count of an equal request; `local`: the
   * token counter, as `countRequest`.
   */
  readonly source: 'provider' | 'cache' | 'local';
  /** Whether it is an estimate; always false if a provider counted. */
  readonly approximate: boolean;
  /** Why no provider counted; only with `source: 'local'`. */
  readonly reason?: LocalCountReason;
  /** Upper bound, as in `countRequest`; only with `source: 'local'`. */
  readonly bound?: number;
  /** The deployment whose provider counted. */
  readonly deploymentId?: string;
}

/** A provider's count, or the reason why there is none. */
export type ProviderCount =
  { readonly tokens: number; readonly source: 'provider' | 'cache'; readonly deploymentId: string } | { readonly reason: LocalCountReason };

/** A request that is counted. */
export interface CountedRequest {
  readonly operation: CountedOperation;
  readonly request: ApiCallRequest;
  /** Deployments that may be asked, in this order. */
  readonly candidates: readonly Candidate[];
}

/** Prompts that were counted: by whom, and why not by a provider. */
export interface ExactCountFigures {
  readonly counted: Record<ExactTokens['source'], number>;
  readonly reasons: Map<LocalCountReason, number>;
}

/** Failures that another deployment of the group would answer with, too. */
const OF_REQUEST: ReadonlySet<LocalCountReason> = new Set<ProviderFailureKind>(['bad_request', 'context_window', 'content_policy']);
/** Accounts whose limits are kept; those of one process are few, unless clients name them. */
const MOST_ACCOUNTS = 1_000;

/** Calls the counting endpoints of providers, within their own limits, and caches the counts. */
export class ExactCounts {
  readonly figures: ExactCountFigures = { counted: { provider: 0, cache: 0, local: 0 }, reasons: new Map() };
  private readonly cache: CountCache;
  private readonly accounts = new Map<string, CountingAccount>();
  private readonly ofEndpoint = new WeakMap<KnownEndpoint, CountingAccount>();
  /** Requests in flight, by their keys: equal ones share one. */
  private readonly inFlight = new Map<string, Promise<number | AccountRefusal>>();
  /** Secret of this process, so that cached keys do not reveal prompts or credentials. */
  private readonly secret = randomBytes(32);

  constructor(
    /** Providers and keys of the current configuration. */
    private readonly accessNow: () => ProviderAccess,
    private readonly options: ResolvedExactCountOptions,
    /** Milliseconds, of a clock that never steps. */
    private readonly now: () => number,
  ) {
    this.cache = new CountCache(options.maxCached, options.cacheTtlMs);
  }

  async count(asked: CountedRequest): Promise<ProviderCount> {
    const count = await this.countFrom(asked);
    if ('reason' in count) return this.countsLocally(count.reason);
    this.figures.counted[count.source]++;
    return count;
  }

  /** A prompt is counted locally. */
  countsLocally(reason: LocalCountReason): ProviderCount {
    const { counted, reasons } = this.figures;
    counted.local++;
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    return { reason };
  }

  private async countFrom({ operation, request, candidates }: CountedRequest): Promise<ProviderCount> {
    if (candidates.length === 0) return { reason: 'no_deployment' };
    const untilMs = this.now() + this.options.timeoutMs;
    let reason: LocalCountReason = 'unsupported';
    for (const candidate of candidates) {
      const prepared = await this.prepare(candidate, operation, request);
      if (typeof prepared === 'string') {
        reason = prepared;
        continue;
      }
      const { counting, key } = prepared;
      const deploymentId = candidate.deployment.id;
      const cached = this.cache.get(key, this.now());
      if (cached !== undefined) return { tokens: cached, source: 'cache', deploymentId };
      const outcome = await this.shared(key, counting, untilMs);
      if (typeof outcome === 'number') return { tokens: outcome, source: 'provider', deploymentId };
      reason = outcome;
      if (OF_REQUEST.has(reason) || this.now() >= untilMs) break;
    }
    return { reason };
  }

  /** How a deployment is asked, or why it cannot be. */
  private async prepare(
    candidate: Candidate,
    operation: CountedOperation,
    request: ApiCallRequest,
  ): Promise<PreparedCount | LocalCountReason> {
    try {
      const counting = this.countingAt(candidate, operation, request);
      if (counting === undefined) return 'unsupported';
      const { known, call } = counting;
      const body = await call.body;
      const hash = createHmac('sha256', this.secret).update(`${known.endpoint.origin}${call.path}\n`);
      for (const part of partsOf(body)) hash.update(part);
      return { counting: { ...counting, call: { ...call, body } }, key: hash.digest('base64') };
    } catch (error) {
      if (error instanceof UnsupportedRequestError || error instanceof DeploymentMisconfiguredError) return 'unsupported';
      if (error instanceof InvalidArgumentError) return 'bad_request';
      throw error;
    }
  }

  private countingAt({ deployment, model: called }: Candidate, operation: CountedOperation, request: ApiCallRequest): Counting | undefined {
    const { params, info } = deployment;
    const { endpoints, dropParams, maxOutputOf } = this.accessNow();
    const known = endpoints.of(deployment, called);
    const { endpoint } = known;
    const model = upstreamModel(called, params.custom_llm_provider);
    endpoint.checkModel(model);
    const ofPrompt = (fields: Fields | undefined): Fields | undefined => fields && promptFields(fields, 'chat');
    const sent: SentRequest = {
      request,
      body: promptFields(request.body, operation) as ModelRequest,
      provider: endpoint.provider,
      model,
      overrides: undefined,
      addsUsage: false,
      defaults: ofPrompt(known.defaults),
      fixed: ofPrompt(known.fixed),
      dropParams,
      params,
      headers: endpoint.headers,
      maxOutputOf,
      baseModel: baseModelOf(deployment),
      mode: info.mode,
      isAtHome: endpoint.isAtHome,
    };
    const call = callOf(known, operation, sent);
    return call && { known, call, model };
  }

  private shared(key: string, counting: Counting, untilMs: number): Promise<number | AccountRefusal> {
    const known = this.inFlight.get(key);
    if (known !== undefined) return known;
    const asked = this.ask(key, counting, untilMs).finally(() => this.inFlight.delete(key));
    this.inFlight.set(key, asked);
    return asked;
  }

  /** Asks the provider, unless the limits of its account forbid it. */
  private async ask(key: string, counting: Counting, untilMs: number): Promise<number | AccountRefusal> {
    const { model, known } = counting;
    const account = this.accountOf(known);
    const refusal = account.refusal(model, this.now());
    if (refusal !== undefined) return refusal;
    if (!(await account.slots.take(untilMs - this.now()))) return 'limited';
    try {
      const late = account.take(model, this.now());
      if (late !== undefined) return late;
      const tokens = await countAtProvider(counting, this.accessNow().transport, untilMs - this.now());
      account.succeeded();
      this.cache.set(key, tokens, this.now());
      return tokens;
    } catch (error) {
      return account.failed(model, failureOf(error, known), this.now());
    } finally {
      account.slots.release();
    }
  }

  private accountOf(known: KnownEndpoint): CountingAccount {
    let account = this.ofEndpoint.get(known);
    if (account === undefined) {
      // Credentials that are fetched cannot be compared.
      account = known.endpoint.authorization === undefined ? this.accountAt(known) : this.newAccount();
      this.ofEndpoint.set(known, account);
    }
    return account;
  }

  /** Deployments with the same address and key share their limits. */
  private accountAt({ endpoint: { origin, headers } }: KnownEndpoint): CountingAccount {
    const name = createHmac('sha256', this.secret)
      .update([origin, ...headers].join('\n'))
      .digest('base64');
    let account = this.accounts.get(name);
    if (account === undefined) {
      account = this.newAccount();
      if (this.accounts.size >= MOST_ACCOUNTS) this.accounts.delete(this.accounts.keys().next().value as string);
      this.accounts.set(name, account);
    }
    return account;
  }

  private newAccount(): CountingAccount {
    return new CountingAccount(this.options);
  }
}

/** A request to a provider, and the key of its count: equal requests have the same. */
interface PreparedCount {
  readonly counting: Counting;
  readonly key: string;
}

/** The call of the operation itself, otherwise of the chat that replaces it. */
function callOf({ endpoint: { protocol } }: KnownEndpoint, operation: CountedOperation, sent: SentRequest): CountCall | undefined {
  const own = protocol.count?.(operation, sent);
  const bridge = bridgeOf(operation);
  if (own !== undefined || bridge === undefined) return own;
  const body = promptFields(bridge.request(sent.body, sent), 'chat') as ModelRequest;
  return protocol.count?.('chat', { ...sent, body, hints: bridge.hints });
}

/** @throws a mistake of the program as it is */
function failureOf(error: unknown, { endpoint, errors }: KnownEndpoint): ProviderError {
  if (error instanceof ProviderError) return error;
  const kind = reasonOf(error)?.kind ?? (error instanceof FastLiteLLMError ? 'connection' : undefined);
  if (kind === undefined) throw error;
  const head = { status: 0, rawHeaders: [], requestId: undefined };
  return errors.failed(kind, `${endpoint.provider} could not count the tokens.`, head, error as Error);
}

/** Caches token counts by the key of their request, limited in number and time. */
export class CountCache {
  private readonly counts = new Map<string, { readonly tokens: number; readonly untilMs: number }>();

  constructor(
    private readonly maxCounts: number,
    private readonly ttlMs: number,
  ) {}

  get(key: string, nowMs: number): number | undefined {
    const found = this.counts.get(key);
    if (found === undefined) return undefined;
    this.counts.delete(key);
    if (found.untilMs <= nowMs) return undefined;
    // The most recently used entry is the last.
    this.counts.set(key, found);
    return found.tokens;
  }

  set(key: string, tokens: number, nowMs: number): void {
    if (this.ttlMs === 0) return;
    this.counts.delete(key);
    makeRoom(this.counts, this.maxCounts);
    this.counts.set(key, { tokens, untilMs: nowMs + this.ttlMs });
  }
}
