import { Pace } from './pace.js';
import { ReportedBucket } from './reported-bucket.js';
import type { Counted, ReportedLimit } from './reported-limits.js';

/** A limit reported by a provider, as `explain` shows it. */
export interface LearnedLimit {
  readonly counted: Counted;
  readonly limit: number;
  /** Remaining quota, as far as this process knows. */
  readonly remaining: number;
  /** Time since it was reported. */
  readonly ageMs: number;
}

/** The known state of the quota that a deployment uses. */
export interface QuotaState {
  /** Limits reported in response headers; empty if the provider reports none. */
  readonly reported: readonly LearnedLimit[];
  /** Time until the next request is allowed after a 429; 0: no 429, or the time has passed. */
  readonly closedForMs: number;
  /** Time since the last 429; `undefined`: none so far. */
  readonly refusedMsAgo: number | undefined;
}

/** Amount that a request takes from a quota. */
export interface QuotaCost {
  readonly inputTokens: number;
  readonly maxTokens: number;
}

/** A request that was sent, or is about to be. */
export interface QuotaBooking {
  readonly domain: QuotaDomain;
  readonly cost: QuotaCost;
  readonly atMs: number;
  /** Sent in all by then, this request included. */
  readonly totals: Readonly<Record<Counted, number>>;
}

/** The gate without a `Retry-After`; doubled while probes are refused, up to a minute. */
const FIRST_CLOSED_MS = 1_000;
const LONGEST_CLOSED_MS = 60_000;
/**
 * Whatever a provider reports, a request is sent after this time without one. Providers report
 * resets of hours for daily limits, and some report nonsense.
 */
const LONGEST_WAIT_MS = 5 * 60_000;
/** A probe without an answer: another one goes. */
const LONGEST_PROBE_MS = 60_000;
const SLOWEST_PER_MINUTE = 1;
/** Fewer requests say little about their rate. */
const FEWEST_MEASURED = 20;
const MINUTE_MS = 60_000;
const SLICE_MS = 10_000;
const SLICES = 6;

/**
 * One quota of a provider, as reported by its answers and by a 429. Deployments that
 * share provider, account, key and model share it.
 */
export class QuotaDomain {
  private readonly buckets = new Map<Counted, ReportedBucket>();
  private readonly sent: Record<Counted, number> = { requests: 0, tokens: 0, inputTokens: 0, outputTokens: 0 };
  /** Requests of the last minute that were not refused, in slices of 10 s. */
  private readonly taken = new Array<number>(SLICES).fill(0);
  private slice = 0;
  /** Since when they are counted: the first request, or the end of a closed gate. */
  private countedFromMs = -1;

  private sentAtMs = 0;

  private closedUntilMs = 0;
  private refusedAtMs = -Infinity;
  /** Refused probes in a row. */
  private refusals = 0;
  /** After a 429 one request goes first. */
  private isProbeDue = false;
  private probe: QuotaBooking | undefined = undefined;
  private pace: Pace | undefined = undefined;
  private perMinuteBefore = 0;
  /** Whether reported limits explain the denial. */
  private isExplained = false;

  /** @param onClosed Called when a 429 closes it. */
  constructor(private readonly onClosed: () => void) {}

  /** Until a request may go, 5 minutes at most; 0: now, `Infinity`: when the probe has ended. */
  waitMs(cost: QuotaCost, nowMs: number): number {
    if (nowMs < this.closedUntilMs) return this.closedUntilMs - nowMs;
    if (this.isProbeDue) return this.mayProbe(nowMs) ? 0 : Infinity;
    const waitMs = Math.max(this.pace?.waitMs(nowMs) ?? 0, this.bucketsWaitMs(cost, this.sent, nowMs));
    return Math.min(waitMs, Math.max(0, this.sentAtMs + LONGEST_WAIT_MS - nowMs));
  }

  /** A request is sent. Pass the booking it returns to `tell`, and to one of the three ends. */
  begin(cost: QuotaCost, nowMs: number): QuotaBooking {
    for (const [counted, bucket] of this.buckets) bucket.advance(this.sent[counted], nowMs);
    this.add(cost, 1);
    this.sentAtMs = nowMs;
    if (this.pace?.isOver(nowMs) === true) this.pace = undefined;
    this.pace?.take(nowMs);
    this.openSlice(nowMs);
    this.taken[this.slice % SLICES]++;
    if (this.countedFromMs < 0) this.countedFromMs = nowMs;
    const booking = { domain: this, cost, atMs: nowMs, totals: { ...this.sent } };
    if (this.isProbeDue && this.mayProbe(nowMs)) this.probe = booking;
    return booking;
  }

  /** Updates the quota from an answer of any status. */
  tell(limits: readonly ReportedLimit[], { atMs, totals }: QuotaBooking, nowMs: number): void {
    for (const reported of limits) {
      let bucket = this.buckets.get(reported.counted);
      if (bucket === undefined) this.buckets.set(reported.counted, (bucket = new ReportedBucket()));
      bucket.update(reported, { atMs, total: totals[reported.counted] }, nowMs);
    }
  }

  succeeded(booking: QuotaBooking, nowMs: number): void {
    if (booking !== this.probe) return;
    this.probe = undefined;
    this.isProbeDue = false;
    this.refusals = 0;
    this.taken.fill(0);
    this.countedFromMs = nowMs;
    // If reported limits explain the 429, they state how much can be sent.
    this.pace = this.isExplained ? undefined : new Pace(Math.max(SLOWEST_PER_MINUTE, this.perMinuteBefore), nowMs, booking.atMs);
  }

  /** A 429. @param retryAfterMs As the provider asks for it. */
  refused(booking: QuotaBooking, retryAfterMs: number | undefined, nowMs: number): void {
    const isOfBefore = booking.atMs <= this.refusedAtMs;
    if (booking === this.probe) this.probe = undefined;
    else if (isOfBefore) {
      // Sent before the quota was closed, so it can only extend the wait.
      this.closedUntilMs = Math.max(this.closedUntilMs, nowMs + Math.min(retryAfterMs ?? 0, LONGEST_CLOSED_MS));
      return;
    } else this.perMinuteBefore = this.perMinuteAt(nowMs);
    this.isExplained = this.bucketsWaitMs(booking.cost, booking.totals, nowMs) > 0;
    const ownMs = Math.min(FIRST_CLOSED_MS * 2 ** this.refusals, LONGEST_CLOSED_MS);
    this.refusals = Math.min(this.refusals + 1, 10);
    this.refusedAtMs = nowMs;
    this.onClosed();
    this.isProbeDue = true;
    this.closedUntilMs = nowMs + Math.min(retryAfterMs ?? ownMs, LONGEST_WAIT_MS);
  }

  /** An end that says nothing about the quota: another failure, a caller who left. */
  ended(booking: QuotaBooking): void {
    if (booking === this.probe) this.probe = undefined;
  }

  /** Nothing was sent. */
  releaseUnsent(booking: QuotaBooking): void {
    this.add(booking.cost, -1);
    this.ended(booking);
  }

  state(nowMs: number): QuotaState {
    return {
      reported: Array.from(this.buckets, ([counted, bucket]) => ({ counted, ...bucket.figures(this.sent[counted], nowMs) })),
      closedForMs: Math.max(0, this.closedUntilMs - nowMs),
      refusedMsAgo: this.refusedAtMs === -Infinity ? undefined : nowMs - this.refusedAtMs,
    };
  }

  private mayProbe(nowMs: number): boolean {
    return this.probe === undefined || nowMs - this.probe.atMs >= LONGEST_PROBE_MS;
  }

  private add(cost: QuotaCost, times: 1 | -1): void {
    for (const counted of Object.keys(this.sent) as Counted[]) this.sent[counted] += times * costOf(counted, cost);
  }

  private bucketsWaitMs(cost: QuotaCost, sent: Readonly<Record<Counted, number>>, nowMs: number): number {
    let waitMs = 0;
    for (const [counted, bucket] of this.buckets) waitMs = Math.max(waitMs, bucket.waitMs(costOf(counted, cost), sent[counted], nowMs));
    return waitMs;
  }

  /** The rate of the last minute, or of the time since the gate was opened. */
  private perMinuteAt(nowMs: number): number {
    this.openSlice(nowMs);
    const taken = this.taken.reduce((sum, count) => sum + count, 0) - 1;
    const forMs = Math.min(Math.max(nowMs - this.countedFromMs, 1_000), MINUTE_MS);
    const measured = (Math.max(1, taken) / forMs) * MINUTE_MS;
    const paced = this.pace?.perMinuteAt(nowMs);
    if (paced === undefined) return measured;
    return taken < FEWEST_MEASURED ? paced : Math.min(paced, measured);
  }

  private openSlice(nowMs: number): void {
    const slice = Math.floor(nowMs / SLICE_MS);
    const passed = Math.min(slice - this.slice, SLICES);
    for (let each = 0; each < passed; each++) this.taken[(slice - each) % SLICES] = 0;
    this.slice = Math.max(slice, this.slice);
  }
}

/** Amount that a request counts; only the input is certain in advance. */
function costOf(counted: Counted, { inputTokens, maxTokens }: QuotaCost): number {
  if (counted === 'requests' || counted === 'outputTokens') return 1;
  return counted === 'inputTokens' ? inputTokens : inputTokens + maxTokens;
}
