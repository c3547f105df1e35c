import type { MetricSample } from '../../common/capability.js';
import type { OnStoreError } from './options.js';
import type { StoreFailure, StoreFailureKind } from './script-queue.js';
import type { RateLimitDecision, RateLimitScope, RateLimitStore } from '../store.js';

/** When to try again, for those who are denied: Redis is asked about as often. */
const RETRY_AFTER_MS = 1_000;
/** For how long after a failure the store says that it is not well, where no success has come since. */
const MEMORY_OF_FAILURE_MS = 10_000;
/** So many outages within `FLAPPING_MS`, and one success more proves nothing; `SETTLED_MS` without a failure do. */
const OUTAGES_OF_FLAPPING = 3;
const FLAPPING_MS = 30_000;
const SETTLED_MS = 2_000;

interface Failed {
  readonly failure: StoreFailure;
  readonly atMs: number;
}

/** Answers in Redis's place, as configured, and counts that. */
export class RedisOutage {
  private readonly failures: Record<StoreFailureKind, number> = { timeout: 0, connection: 0, reply: 0 };
  private answers = 0;
  private last: Failed | undefined = undefined;
  private lastRefusal: Failed | undefined = undefined;
  private isOver = true;
  /** When the latest outages began. */
  private readonly beginnings: number[] = [];

  constructor(
    readonly mode: OnStoreError,
    private readonly memory: RateLimitStore,
  ) {}

  count(failure: StoreFailure): void {
    const atMs = performance.now();
    this.failures[failure.kind]++;
    this.note({ failure, atMs });
    if (!this.isOver) return;
    this.isOver = false;
    if (this.beginnings.push(atMs) > OUTAGES_OF_FLAPPING) this.beginnings.shift();
  }

  /** Redis answers. Where it has refused since it last wrote, only another write shows whether it still does: no request may come for a while. */
  async reachable(writeTest: (tag: string) => Promise<StoreFailure | undefined>): Promise<void> {
    if (this.lastRefusal === undefined) return this.succeeded(false);
    const failure = await writeTest(this.lastRefusal.failure.tag);
    if (failure === undefined) this.succeeded(true);
    else this.note({ failure, atMs: performance.now() });
  }

  /**
   * Redis did what it was asked. A ping, a look or a denied request (`wrote: false`) ends what was a matter of reaching it, not that it refuses to write:
   * one that is out of memory, or a replica, answers those.
   */
  succeeded(wrote: boolean): void {
    if (wrote) this.lastRefusal = undefined;
    if (this.lastRefusal === undefined) this.isOver = true;
  }

  /** The answer to a `check`, or to a `peek`, that Redis did not give. */
  async answer(how: 'check' | 'peek', scopes: readonly RateLimitScope[], cost: number, tokens: number): Promise<RateLimitDecision> {
    this.answers++;
    if (this.mode === 'local') return { ...(await this.memory[how](scopes, cost, tokens)), outage: 'local' };
    const allowed = this.mode === 'allow';
    return { allowed, scope: 0, retryAfterMs: allowed ? 0 : RETRY_AFTER_MS, standings: [], atMs: Date.now(), outage: this.mode };
  }

  /** The last failure, if it was not long ago and has not been made good since; of a Redis that comes and goes, also if it has. */
  recent(): string | undefined {
    const nowMs = performance.now();
    if (this.last === undefined || nowMs - this.last.atMs >= MEMORY_OF_FAILURE_MS) return undefined;
    return this.isOver && !this.isUnsettled(nowMs, this.last.atMs) ? undefined : this.last.failure.reason;
  }

  /** What Redis said when it refused last, if that was not long ago: a connection that is lost over and over may be given up for it, as that of a replica is. */
  refusal(): string | undefined {
    const { lastRefusal } = this;
    if (lastRefusal === undefined || performance.now() - lastRefusal.atMs >= MEMORY_OF_FAILURE_MS) return undefined;
    return lastRefusal.failure.reason;
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
        const help = 'Operations that Redis did not perform, by the kind of failure.';
        return { name: 'rate_limit_store_failures_total', help, type: 'counter', value, labels: { kind } };
      }),
      {
        name: 'rate_limit_store_outage_answers_total',
        help: 'Requests answered as onStoreError says, not by Redis.',
        type: 'counter',
        value: this.answers,
        labels: { answer: this.mode },
      },
    ];
  }
}
