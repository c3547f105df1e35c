import { counted } from '../../common/plural.js';
import type { MetricSample } from '../../common/capability.js';
import type { LogSink } from '../../common/log-sink.js';
import type { StoreFailure, StoreFailureKind } from './store-failure.js';
import type { RateLimitDecision, RateLimitScope, RateLimitStore } from '../store.js';

/**
 * The decision while a shared store is unreachable, too slow or read-only. `local`: this process
 * applies the same limits itself, with its share of the budgets.
 */
export type OnStoreError = 'deny' | 'allow' | 'local';

/** `retryAfterMs` of requests that are denied because the store is down. */
const RETRY_AFTER_MS = 1_000;
/** How long a failure without a later success keeps the store unhealthy. */
const MEMORY_OF_FAILURE_MS = 10_000;
/** With this many outages within `FLAPPING_MS`, recovery takes `SETTLED_MS` without a failure. */
const OUTAGES_OF_FLAPPING = 3;
const FLAPPING_MS = 30_000;
const SETTLED_MS = 2_000;
/** Between two lines of the log. */
const LOG_EVERY_MS = 60_000;

/** Behavior of requests during an outage. */
const MEANWHILE: Readonly<Record<Exclude<OnStoreError, 'allow'>, string>> = {
  deny: 'requests get 503',
  local: 'this process decides alone, with its share of the budgets',
};

/** Operations of a request on the store. */
export interface StoreAsk {
  readonly scopes: readonly RateLimitScope[];
  readonly cost: number;
  readonly tokens: number;
  readonly nanoUsd: number;
  /** Charge if the process dies; `undefined`: all that is held. */
  readonly expectedNanoUsd?: number;
}

interface Failed {
  readonly failure: StoreFailure;
  readonly atMs: number;
}

/** Answers instead of the store, according to `onStoreError`, and counts failures. */
export class StoreOutage {
  private readonly failures: Record<StoreFailureKind, number> = { timeout: 0, connection: 0, reply: 0 };
  private answers = 0;
  private last: Failed | undefined = undefined;
  private lastRefusal: Failed | undefined = undefined;
  private isOver = true;
  /** Number of the latest outage, from 1. */
  outages = 0;
  /** Start of the latest outage, by `performance.now()`. */
  beganAtMs = -Infinity;
  /** Start times of the latest outages. */
  private readonly beginnings: number[] = [];
  private loggedMs = -Infinity;
  private unlogged = 0;
  /** Start of the outage whose end has not been logged. */
  private loggedOutageMs: number | undefined = undefined;

  constructor(
    readonly mode: OnStoreError,
    private readonly memory: RateLimitStore,
    /** `Redis`, `PostgreSQL`. */
    private readonly store: string,
    private readonly log?: Pick<LogSink, 'warn' | 'log'>,
    private readonly allowed = 'requests are allowed without limits',
  ) {}

  count(failure: StoreFailure): void {
    const atMs = performance.now();
    this.failures[failure.kind]++;
    this.note({ failure, atMs });
    this.unlogged++;
    if (atMs - this.loggedMs >= LOG_EVERY_MS) this.warn(failure, atMs);
    if (!this.isOver) return;
    this.isOver = false;
    this.outages++;
    this.beganAtMs = atMs;
    if (this.beginnings.push(atMs) > OUTAGES_OF_FLAPPING) this.beginnings.shift();
  }

  /**
   * The store is reachable. After a rejected write only another write shows whether it still
   * rejects them.
   */
  async reachable(writeTest: (tag: string) => Promise<StoreFailure | undefined>): Promise<void> {
    if (this.lastRefusal === undefined) return this.succeeded(false);
    const failure = await writeTest(this.lastRefusal.failure.tag);
    if (failure === undefined) this.succeeded(true);
    else this.note({ failure, atMs: performance.now() });
  }

  /**
   * The store executed a command. One without a write (ping, peek, denied request) proves that it
   * is reachable, not that it accepts writes: out of memory, or as a replica, it answers those.
   */
  succeeded(wrote: boolean): void {
    if (wrote) this.lastRefusal = undefined;
    if (this.lastRefusal !== undefined || this.isOver) return;
    this.isOver = true;
    this.logEnd();
  }

  /**
   * Answers a `check` or `peek` that the store did not answer.
   * @param hasNoPart Whether this process has no share of the budgets concerned.
   */
  async answer(how: 'check' | 'peek', { scopes, cost, tokens, nanoUsd }: StoreAsk, hasNoPart = false): Promise<RateLimitDecision> {
    this.answers++;
    if (hasNoPart) return { allowed: false, scope: 0, retryAfterMs: RETRY_AFTER_MS, standings: [], atMs: Date.now(), outage: 'deny' };
    if (this.mode === 'local') return { ...(await this.memory[how](scopes, cost, tokens, nanoUsd)), outage: 'local' };
    const allowed = this.mode === 'allow';
    return { allowed, scope: 0, retryAfterMs: allowed ? 0 : RETRY_AFTER_MS, standings: [], atMs: Date.now(), outage: this.mode };
  }

  /** The last failure if it is recent and not resolved, or if the store is flapping. */
  recent(): string | undefined {
    const nowMs = performance.now();
    if (this.last === undefined || nowMs - this.last.atMs >= MEMORY_OF_FAILURE_MS) return undefined;
    return this.isOver && !this.isUnsettled(nowMs, this.last.atMs) ? undefined : this.last.failure.reason;
  }

  /**
   * The last error that the store answered, if recent: it can explain why the connection is closed
   * again and again.
   */
  refusal(): string | undefined {
    const { lastRefusal } = this;
    if (lastRefusal === undefined || performance.now() - lastRefusal.atMs >= MEMORY_OF_FAILURE_MS) return undefined;
    return lastRefusal.failure.reason;
  }

  private warn({ reason }: StoreFailure, atMs: number): void {
    const operations = `${counted(this.unlogged, 'operation')} failed`;
    const meanwhile = this.mode === 'allow' ? this.allowed : MEANWHILE[this.mode];
    this.log?.warn(
      `Rate limiter: ${this.store} failed (${reason}; ${operations}); until ${this.store} recovers, ${meanwhile} (onStoreError: ${this.mode})`,
    );
    this.loggedMs = atMs;
    this.loggedOutageMs ??= atMs;
    this.unlogged = 0;
  }

  /** At most one line for each of `warn`, so that a store that comes and goes fills no log. */
  private logEnd(): void {
    if (this.loggedOutageMs === undefined) return;
    const seconds = Math.ceil((performance.now() - this.loggedOutageMs) / 1000);
    this.log?.log(`Rate limiter: ${this.store} recovered after ${seconds} s (failed operations since the last log line: ${this.unlogged})`);
    this.loggedOutageMs = undefined;
    this.unlogged = 0;
  }

  private note(failed: Failed): void {
    this.last = failed;
    if (failed.failure.kind === 'reply') this.lastRefusal = failed;
  }

  private isUnsettled(nowMs: number, failedMs: number): boolean {
    const isFlapping = this.beginnings.length === OUTAGES_OF_FLAPPING && nowMs - this.beginnings[0] < FLAPPING_MS;
    return isFlapping && nowMs - failedMs < SETTLED_MS;
  }

  metrics(): readonly MetricSample[] {
    return [
      ...Object.entries(this.failures).map(([kind, value]): MetricSample => {
        const help = `Failed ${this.store} operations, by kind of failure.`;
        return { name: 'rate_limit_store_failures_total', help, type: 'counter', value, labels: { kind } };
      }),
      {
        name: 'rate_limit_store_outage_answers_total',
        help: `Requests answered by onStoreError instead of ${this.store}.`,
        type: 'counter',
        value: this.answers,
        labels: { answer: this.mode },
      },
    ];
  }
}
