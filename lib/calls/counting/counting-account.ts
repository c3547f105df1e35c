import type { ProviderError, ProviderFailureKind } from '../../common/provider-error.js';
import type { ResolvedExactCountOptions } from './exact-counts.options.js';

/** Why an account is not asked at this moment. */
export type AccountRefusal = 'limited' | 'unsupported' | ProviderFailureKind;

const MINUTE_MS = 60_000;
/** How long an account rests after a failure. Another one says nothing about the next request. */
const REST_MS: Readonly<Partial<Record<ProviderFailureKind, number>>> = {
  rate_limit: 10_000,
  authentication: 60_000,
  timeout: 10_000,
  connection: 10_000,
  server: 10_000,
  malformed: 10_000,
};
const LONGEST_REST_MS = 600_000;
const MOST_DOUBLINGS = 6;
/** A server may get the endpoint, or the model, with its next release. */
const UNSUPPORTED_MS = 600_000;
const MOST_MODELS = 1_000;
/** Bedrock's words for a model that it does not count. */
const NOT_COUNTED = /does(?:n't| not) support counting tokens/i;

/** State of the counting endpoint of one address and key. */
export class CountingAccount {
  /** Times of the last requests: a ring as long as the limit. */
  private readonly sentAtMs: number[] = [];
  private next = 0;
  private restsUntilMs = 0;
  private restsFor: ProviderFailureKind = 'server';
  /** Rests in a row: each is twice as long as the one before. */
  private rests = 0;
  /** Until when a model is not asked for. */
  private readonly unsupported = new Map<string, number>();

  /** For its requests in flight. */
  readonly slots: CountingSlots;
  private readonly requestsPerMinute: number;

  constructor({ requestsPerMinute, maxConcurrent }: Pick<ResolvedExactCountOptions, 'requestsPerMinute' | 'maxConcurrent'>) {
    this.requestsPerMinute = requestsPerMinute;
    this.slots = new CountingSlots(maxConcurrent);
  }

  /** Why no request may be sent now. */
  refusal(model: string, nowMs: number): AccountRefusal | undefined {
    if ((this.unsupported.get(model) ?? 0) > nowMs) return 'unsupported';
    if (this.restsUntilMs > nowMs) return this.restsFor;
    const oldest = this.sentAtMs.at(this.next);
    if (this.sentAtMs.length === this.requestsPerMinute && oldest !== undefined && nowMs - oldest < MINUTE_MS) return 'limited';
    return undefined;
  }

  /** Takes a request of this minute; else why none may be sent. */
  take(model: string, nowMs: number): AccountRefusal | undefined {
    const refusal = this.refusal(model, nowMs);
    if (refusal !== undefined) return refusal;
    this.sentAtMs[this.next] = nowMs;
    this.next = (this.next + 1) % this.requestsPerMinute;
    return undefined;
  }

  succeeded(): void {
    this.rests = 0;
  }

  /** Records a failure; returns the reason for the missing count. */
  failed(model: string, { kind, message, providerStatus: status, retryAfterMs }: ProviderError, nowMs: number): AccountRefusal {
    if (status === 404 || status === 405 || status === 501 || NOT_COUNTED.test(message)) {
      if (this.unsupported.size >= MOST_MODELS) this.unsupported.clear();
      this.unsupported.set(model, nowMs + UNSUPPORTED_MS);
      return 'unsupported';
    }
    const restMs = REST_MS[kind];
    if (restMs === undefined) return kind;
    // Requests that were in flight together fail together.
    if (this.restsUntilMs > nowMs) return kind;
    const ownMs = restMs * 2 ** Math.min(this.rests++, MOST_DOUBLINGS);
    const asked = kind === 'rate_limit' || status === 503 ? retryAfterMs : undefined;
    this.restsUntilMs = nowMs + Math.min(asked ?? ownMs, LONGEST_REST_MS);
    this.restsFor = kind;
    return kind;
  }
}

/** Slots for requests in flight. Requests without a slot wait in a queue. */
export class CountingSlots {
  private free: number;
  private readonly waiting = new Set<() => void>();

  constructor(maxConcurrent: number) {
    this.free = maxConcurrent;
  }

  /** Takes a place, which `release` returns. `false`: there was none within `maxWaitMs`. */
  async take(maxWaitMs: number): Promise<boolean> {
    if (this.free > 0) {
      this.free--;
      return true;
    }
    return new Promise((resolve) => {
      const served = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        this.waiting.delete(served);
        resolve(false);
      }, maxWaitMs);
      this.waiting.add(served);
    });
  }

  /** The first in line gets the place. */
  release(): void {
    const [first] = this.waiting;
    if (first === undefined) {
      this.free++;
      return;
    }
    this.waiting.delete(first);
    first();
  }
}
