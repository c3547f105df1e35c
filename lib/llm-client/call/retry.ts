import type { ProviderFailureKind } from '../../common/provider-error.js';

/** LiteLLM's names of `retry_policy`, by what went wrong: the first that the policy has counts. */
const POLICY_NAMES: Readonly<Record<ProviderFailureKind, readonly string[]>> = {
  bad_request: ['BadRequestError'],
  context_window: ['BadRequestError'],
  content_policy: ['ContentPolicyViolationError', 'BadRequestError'],
  authentication: ['AuthenticationError'],
  not_found: ['NotFoundError'],
  timeout: ['TimeoutError'],
  rate_limit: ['RateLimitError'],
  server: ['InternalServerError'],
  connection: ['InternalServerError'],
  malformed: ['InternalServerError'],
};
/** LiteLLM has a class of its own for these, or none. */
const NAMES_OF_STATUS: ReadonlyMap<number | undefined, readonly string[]> = new Map([
  [409, []],
  [502, ['BadGatewayError']],
  [503, ['ServiceUnavailableError']],
  [504, ['TimeoutError']],
]);
const DEFAULT_RETRIES = 'DefaultRetries';

/** Where the same question would get the same answer. */
const FINAL: ReadonlySet<ProviderFailureKind> = new Set(['bad_request', 'context_window', 'content_policy', 'not_found']);

/** Of what the decision depends. */
export interface RetryFacts {
  readonly kind: ProviderFailureKind;
  /** The provider's, where it answered. */
  readonly status?: number;
  /** Deployments of the group that could be asked now, the one that failed included. */
  readonly healthy: number;
  /** Of these, others than the one that failed. */
  readonly healthyOthers: number;
  /** Retries that no policy speaks of. */
  readonly numRetries: number;
  /** Of the model group, else of the router: its entry for the kind wins over `numRetries`. */
  readonly policy?: Readonly<Record<string, unknown>> | null;
}

/** How often a request that failed so may be sent again within its tier. */
export function retriesAllowed({ kind, status, healthy, healthyOthers, numRetries, policy }: RetryFacts): number {
  if (healthy === 0) return 0;
  const names = (NAMES_OF_STATUS.get(status) ?? POLICY_NAMES[kind]).map((name) => `${name}Retries`);
  const fromPolicy = [...names, DEFAULT_RETRIES].map((name) => policy?.[name]).find((count) => typeof count === 'number');
  if (fromPolicy !== undefined) return fromPolicy;
  if (kind === 'authentication' && healthyOthers === 0) return 0;
  return FINAL.has(kind) ? 0 : numRetries;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 8000;
const JITTER_MS = 750;
const LONGEST_RETRY_AFTER_MS = 60_000;

/**
 * How long to wait before a retry: not at all while another deployment is healthy; else as long as the provider asked for, if that is a minute at
 * most; else half a second, doubled each time up to eight, and up to 0.75 s on top, so that those who failed together do not come back together.
 * Never less than `leastMs`.
 * @param retry From 0.
 * @param random From 0 to 1.
 */
export function retryWaitMs(
  retry: number,
  facts: { readonly healthyOthers: number; readonly retryAfterMs?: number; readonly leastMs: number },
  random: number,
): number {
  if (facts.healthyOthers > 0) return 0;
  const { retryAfterMs, leastMs } = facts;
  if (retryAfterMs !== undefined && retryAfterMs > 0 && retryAfterMs <= LONGEST_RETRY_AFTER_MS) return Math.max(retryAfterMs, leastMs);
  return Math.max(Math.min(FIRST_DELAY_MS * 2 ** retry, LONGEST_DELAY_MS), leastMs) + random * JITTER_MS;
}

/**
 * How many retries a client may make, over all of its requests: a share of the requests it is given, and a few a second whatever happens.
 * Where a provider fails for everybody, retries would double and treble the load on what is left of it.
 */
export class RetryBudget {
  private tokens: number;
  private atMs: number;
  /** Retries that were not made. */
  exhausted = 0;

  /**
   * @param ratio Retries per request, from 0.
   * @param perSecond Retries a second that are there without any request.
   */
  constructor(
    private readonly ratio: number,
    private readonly perSecond: number,
    nowMs: number,
  ) {
    this.tokens = this.capacity;
    this.atMs = nowMs;
  }

  /** Saved up for ten seconds: by the trickle, and by a hundred requests. */
  private get capacity(): number {
    return this.perSecond * 10 + this.ratio * 100;
  }

  /** A request has come. */
  deposit(): void {
    if (this.tokens < this.capacity) this.tokens = Math.min(this.capacity, this.tokens + this.ratio);
  }

  /** Whether a retry may be made; it is counted as made. */
  withdraw(nowMs: number): boolean {
    // A clock that is put back gives nothing.
    const seconds = Math.max(0, nowMs - this.atMs) / 1000;
    this.atMs = nowMs;
    this.tokens = Math.min(this.capacity, this.tokens + seconds * this.perSecond);
    if (this.tokens < 1) {
      this.exhausted++;
      return false;
    }
    this.tokens -= 1;
    return true;
  }
}
