import { readDecision } from './decision.js';
import type { RedisAsk, RedisOutage } from './outage.js';
import type { TaggedScope } from './keys.js';
import { OperationKind, ReplyField } from './protocol.js';
import type { QueuedOperation, RedisScriptQueue, StoreFailure } from './script-queue.js';
import type { RateLimit } from '../limits.js';
import type { RateLimitDecision, RateLimitScope, RateLimitStanding } from '../store.js';

/**
 * One process leases at most 1/4 of the remaining permits: the closer the limit, the fewer lie
 * unused.
 */
const SHARE = 4;
const FIRST_PERMITS = 4;
const SWEEP_MS = 500;
/**
 * A key with more calls between two sweeps is hot. A lease for a cold key costs more than it saves.
 */
const CALLS_OF_COLD_KEYS = 3;

interface Waiting {
  readonly cost: number;
  readonly tokens: number;
  readonly resolve: (decision: RateLimitDecision) => void;
}

/** Permits of this process for one list of scopes. */
interface Lease {
  readonly redis: readonly TaggedScope[];
  readonly scopes: readonly RateLimitScope[];
  readonly lengthMs: number;
  readonly limitsTokens: boolean;
  waiting: Waiting[];
  asking: boolean;
  /** Size of the next batch. */
  permits: number;
  /** Left to spend until `endMs` on this process's clock. */
  requests: number;
  tokens: number;
  endMs: number;
  /** The decision that granted the batch, and what was spent since. */
  grant: RateLimitDecision | undefined;
  spentRequests: number;
  spentTokens: number;
}

/**
 * Permits of hot keys, leased in batches and spent in this process. Redis counts a batch at the
 * last instant at which it may be spent, and this process measures that time from before its
 * request, so no permit is used after it was counted. The permits of a process that dies are free
 * again when they leave the window.
 */
export class RedisLeases {
  /** Decisions made without Redis. */
  decisions = 0;
  private readonly leases = new Map<string, Lease>();
  /** Leases of one scope by limit and key, found without building a name. */
  private readonly ofOne = new WeakMap<RateLimit, Map<string, Lease>>();
  /** Last result of `ofOne`: most apps use one limit all the time. */
  private lastLimit: RateLimit | undefined = undefined;
  private lastKeys: ReadonlyMap<string, Lease> | undefined = undefined;
  private calls = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined = undefined;

  constructor(
    private readonly queue: RedisScriptQueue,
    private readonly outage: RedisOutage,
    private readonly maxPermits: number,
  ) {}

  /** Decides one key by its lease; `undefined` if the permits left are too few. */
  spendOne({ limit, key }: RateLimitScope, cost: number, tokens: number): RateLimitDecision | undefined {
    if (limit !== this.lastLimit) [this.lastLimit, this.lastKeys] = [limit, this.ofOne.get(limit)];
    const lease = this.lastKeys?.get(key);
    if (lease === undefined || lease.waiting.length > 0) return undefined;
    const needed = lease.limitsTokens ? tokens : 0;
    return this.canSpend(lease, cost, needed) ? this.spend(lease, cost, needed) : undefined;
  }

  /** Decides by a lease; `undefined` for limits that cannot be leased and for cold keys. */
  check(redis: readonly TaggedScope[], { scopes, cost, tokens }: RedisAsk): RateLimitDecision | Promise<RateLimitDecision> | undefined {
    if (redis.some(({ leaseMs }) => leaseMs === 0)) return undefined;
    const lease = this.lease(redis, scopes);
    if (lease === undefined) return undefined;
    const needed = lease.limitsTokens ? tokens : 0;
    if (lease.waiting.length === 0 && this.canSpend(lease, cost, needed)) return this.spend(lease, cost, needed);
    return new Promise((resolve) => {
      lease.waiting.push({ cost, tokens: needed, resolve });
      if (!lease.asking) this.ask(lease);
    });
  }

  /**
   * Drops the leases of a key without giving them back. Of a batch on its way, only waiting
   * requests get permits.
   */
  forget(stateKey: string): void {
    for (const [id, lease] of this.leases) {
      if (!lease.redis.some((scope) => scope.stateKey === stateKey)) continue;
      lease.grant = undefined;
      this.drop(id, lease);
    }
  }

  /** Gives unused permits back. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    this.timer = undefined;
    await Promise.all([...this.leases.values()].map((lease) => this.giveBack(lease)));
  }

  private lease(redis: readonly TaggedScope[], scopes: readonly RateLimitScope[]): Lease | undefined {
    const id = redis.length === 1 ? redis[0].stateKey : redis.map(({ stateKey }) => stateKey).join(' ');
    const known = this.leases.get(id);
    // Two limits can share a name.
    if (known?.redis.every(({ limits }, i) => sameNumbers(limits, redis[i].limits))) return known;
    if (known !== undefined) this.drop(id, known);
    this.startSweeping();
    const calls = (this.calls.get(id) ?? 0) + 1;
    this.calls.set(id, calls);
    if (calls <= CALLS_OF_COLD_KEYS) return undefined;
    const lease: Lease = {
      redis,
      scopes,
      lengthMs: Math.min(...redis.map(({ leaseMs }) => leaseMs)),
      limitsTokens: scopes.some(({ limit }) => limit.tokensPerMinute !== undefined),
      waiting: [],
      asking: false,
      permits: 0,
      requests: 0,
      tokens: 0,
      endMs: 0,
      grant: undefined,
      spentRequests: 0,
      spentTokens: 0,
    };
    this.keep(id, lease);
    return lease;
  }

  private keep(id: string, lease: Lease): void {
    this.leases.set(id, lease);
    const [{ limit, key }] = lease.scopes;
    if (lease.scopes.length > 1) return;
    const known = this.ofOne.get(limit);
    if (known !== undefined) return void known.set(key, lease);
    this.ofOne.set(limit, new Map([[key, lease]]));
    this.lastLimit = undefined;
  }

  private drop(id: string, lease: Lease): void {
    void this.giveBack(lease);
    this.leases.delete(id);
    const [{ limit, key }] = lease.scopes;
    const known = this.ofOne.get(limit);
    if (known?.get(key) === lease) known.delete(key);
  }

  private startSweeping(): void {
    if (this.timer !== undefined) return;
    this.timer = setInterval(this.sweep, SWEEP_MS);
    this.timer.unref();
  }

  private canSpend(lease: Lease, cost: number, tokens: number): boolean {
    return lease.grant !== undefined && cost <= lease.requests && tokens <= lease.tokens && performance.now() < lease.endMs;
  }

  private spend(lease: Lease, cost: number, tokens: number): RateLimitDecision {
    const grant = lease.grant as RateLimitDecision;
    this.decisions++;
    lease.requests -= cost;
    lease.tokens -= tokens;
    lease.spentRequests += cost;
    lease.spentTokens += tokens;
    const { scope, retryAfterMs, atMs } = grant;
    const standings =
      grant.standings.length === 1
        ? [standingAfter(grant.standings[0], lease)]
        : grant.standings.map((standing) => standingAfter(standing, lease));
    return { allowed: true, scope, exceeded: undefined, retryAfterMs, standings, atMs };
  }

  /** Requests permits for the first waiting request, the others, and the next batch. */
  private ask(lease: Lease): void {
    const [first, ...others] = lease.waiting;
    const now = performance.now();
    // A batch used up in time doubles the next one, otherwise it is halved.
    if (lease.grant === undefined || now >= lease.endMs) lease.permits = Math.floor(lease.permits / 2);
    else lease.permits = Math.min(this.maxPermits, Math.max(FIRST_PERMITS, lease.permits * 2));
    void this.giveBack(lease);
    const sureRequests = others.reduce((sum, { cost }) => sum + cost, 0);
    const sureTokens = others.reduce((sum, { tokens }) => sum + tokens, 0);
    const { length } = lease.waiting;
    const perPermit = Math.ceil((first.tokens + sureTokens) / length);
    const grant = [
      sureRequests,
      sureTokens,
      Math.ceil((lease.permits * (first.cost + sureRequests)) / length),
      lease.permits * perPermit,
      SHARE,
    ];
    lease.asking = true;
    const operation: QueuedOperation = {
      kind: OperationKind.take,
      tag: lease.redis[0].tag,
      scopes: lease.redis,
      values: [first.cost, first.tokens, '', 0, lease.lengthMs, ...grant],
      done: (failure, reply, at) => {
        lease.asking = false;
        if (failure !== undefined) this.fail(lease, length, failure);
        else this.granted(lease, reply, at, now);
      },
      late: (reply, at) => {
        if (reply[at + ReplyField.code] !== 0) return;
        // The waiting requests were already answered by onStoreError; Redis counted them after all.
        const passed = this.outage.mode === 'allow';
        const requests = reply[at + ReplyField.moreRequests] + (passed ? -sureRequests : first.cost);
        const tokens = reply[at + ReplyField.moreTokens] + (passed ? -sureTokens : first.tokens);
        void this.give(lease, Math.max(0, requests), Math.max(0, tokens), reply[at + ReplyField.atMs]);
      },
    };
    this.queue.push(operation);
  }

  private granted(lease: Lease, reply: Float64Array, at: number, askedMs: number): void {
    const decision = readDecision(reply, at, lease.scopes);
    const first = lease.waiting.shift() as Waiting;
    first.resolve(decision);
    if (decision.allowed) {
      lease.grant = decision;
      lease.requests = reply[at + ReplyField.moreRequests];
      lease.tokens = reply[at + ReplyField.moreTokens];
      lease.endMs = askedMs + lease.lengthMs;
      lease.spentRequests = lease.spentTokens = 0;
      while (lease.waiting.length > 0 && this.canSpend(lease, lease.waiting[0].cost, lease.waiting[0].tokens)) {
        const next = lease.waiting.shift() as Waiting;
        next.resolve(this.spend(lease, next.cost, next.tokens));
      }
    } else {
      // A denial holds for all waiting requests of the same cost.
      const isSame = ({ cost, tokens }: Waiting): boolean => cost === first.cost && tokens === first.tokens;
      for (const waiting of lease.waiting) if (isSame(waiting)) waiting.resolve(decision);
      lease.waiting = lease.waiting.filter((waiting) => !isSame(waiting));
    }
    if (lease.waiting.length > 0) this.ask(lease);
  }

  private fail(lease: Lease, count: number, failure: StoreFailure): void {
    this.outage.count(failure);
    const failed = lease.waiting.splice(0, count);
    for (const { cost, tokens, resolve } of failed)
      void this.outage.answer('check', { scopes: lease.scopes, cost, tokens, nanoUsd: 0 }).then(resolve);
    if (lease.waiting.length > 0) this.ask(lease);
  }

  private giveBack(lease: Lease): Promise<void> {
    const { grant, requests } = lease;
    const tokens = lease.limitsTokens ? lease.tokens : 0;
    lease.grant = undefined;
    if (grant === undefined || (requests === 0 && tokens === 0)) return Promise.resolve();
    return this.give(lease, requests, tokens, grant.atMs);
  }

  private give({ redis }: Lease, requests: number, tokens: number, atMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done: QueuedOperation['done'] = (failure) => {
        if (failure !== undefined) this.outage.count(failure);
        resolve();
      };
      this.queue.push({ kind: OperationKind.give, tag: redis[0].tag, scopes: redis, values: [requests, tokens, atMs], done });
    });
  }

  private readonly sweep = (): void => {
    const now = performance.now();
    for (const [id, lease] of this.leases) {
      if (lease.asking || now < lease.endMs) continue;
      this.drop(id, lease);
    }
    const idle = this.calls.size === 0 && this.leases.size === 0;
    this.calls = new Map();
    if (!idle) return;
    clearInterval(this.timer);
    this.timer = undefined;
  };
}

function standingAfter(
  { limit, remainingRequests, remainingTokens, resetMs, tokensResetMs }: RateLimitStanding,
  { spentRequests, spentTokens }: Lease,
): RateLimitStanding {
  return {
    limit,
    remainingRequests: remainingRequests - spentRequests,
    remainingTokens: remainingTokens === undefined ? undefined : remainingTokens - spentTokens,
    resetMs,
    tokensResetMs,
  };
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((number, i) => number === b[i]));
}
