import { LatencySamples, SharedLatencySamples } from './latency-samples.js';
import { minuteOf, MOST_SAMPLES, type RouterMemory } from './memory.js';
import { Watchers } from '../selection/strategies/watchers.js';

/** Tokens of a minute are not counted above this; a request has as many at most. */
export const MOST_TOKENS = 1_000_000_000;
/** What a time-out counts as for the strategy by latency; means from `LATE_MS` on have one in them. */
export const TIMEOUT_LATENCY_MS = 1_000_000;
const LATE_MS = TIMEOUT_LATENCY_MS / MOST_SAMPLES;

/** Reads and writes what is known of deployments, and tells those who order them: plainly, as nobody else writes to this memory. */
export class DeploymentStates {
  readonly watchers: Watchers;
  readonly latencies: LatencySamples;
  readonly firstTokens: LatencySamples;
  /** How often a deployment was taken out: who keeps a list of the others compares. */
  exclusions = 0;

  constructor(readonly memory: RouterMemory) {
    this.watchers = new Watchers(memory.capacity);
    const Samples = memory.isShared ? SharedLatencySamples : LatencySamples;
    this.latencies = new Samples(memory.latency, memory.latencyAt, memory.latencies, memory.latencySamples);
    this.firstTokens = new Samples(memory.firstToken, memory.firstTokenAt, memory.firstTokens, memory.firstTokenSamples);
  }

  /** Brings all orders up to date, with what others have changed. */
  catchUp(_nowMs: number): void {}

  /** The deployment's state has changed. */
  changed(slot: number, nowMs: number): void {
    this.watchers.tell(slot, nowMs);
  }

  /** What was booked, as if it had not been. */
  undo(slot: number, tokens: number, nowMs: number): void {
    const { memory } = this;
    this.end(slot);
    if (memory.minute[slot] === minuteOf(nowMs)) {
      if (memory.requests[slot] > 0) this.add(memory.requests, slot, -1);
      this.add(memory.tokens, slot, -Math.min(tokens, memory.tokens[slot]));
    }
    this.changed(slot, nowMs);
  }

  /** One request less under way; others hear of it by `changed`, which is to follow. */
  end(slot: number): void {
    const { inFlight } = this.memory;
    if (inFlight[slot] > 0) inFlight[slot]--;
  }

  /** Tokens of the minute, more or fewer: fewer only of the minute `since`. */
  addTokens(slot: number, tokens: number, since: number, nowMs: number): void {
    if (tokens === 0) return;
    const minute = minuteOf(nowMs);
    if (tokens < 0 && since !== minute) return;
    if (this.memory.minute[slot] !== minute) this.openMinute(slot, minute);
    this.addWithin(slot, tokens);
  }

  /** Forgets the samples of all. */
  forgetSamples(): void {
    const { latencies, firstTokens, latency, firstToken } = this.memory;
    for (const array of [latencies, firstTokens, latency, firstToken]) array.fill(0);
    this.watchers.forget();
  }

  addFailure(slot: number, nowMs: number): void {
    const minute = minuteOf(nowMs);
    if (this.memory.minute[slot] !== minute) this.openMinute(slot, minute);
    this.add(this.memory.failures, slot, 1);
  }

  /** Failures that are counted until none comes for `ttlMs`. */
  addFail(slot: number, ttlMs: number, nowMs: number): number {
    const { memory } = this;
    if (memory.failsUntil[slot] <= nowMs) Atomics.store(memory.fails, slot, 0);
    memory.failsUntil[slot] = nowMs + ttlMs;
    return this.add(memory.fails, slot, 1) + 1;
  }

  /** Takes a deployment out until then; never shorter than before. */
  cool(slot: number, untilMs: number, nowMs: number): void {
    const { memory } = this;
    if (untilMs > memory.coolingUntil[slot]) memory.coolingUntil[slot] = untilMs;
    this.exclusions++;
    memory.fails[slot] = 0;
    // A time-out would keep everybody away from it afterwards. All else stays: of one that nothing is known of, everybody asks until it has answered.
    const { latencies, firstTokens, latency, firstToken } = memory;
    if (Math.max(latency[slot], firstToken[slot]) >= LATE_MS)
      for (const array of [latencies, firstTokens, latency, firstToken]) array[slot] = 0;
    this.changed(slot, nowMs);
  }

  /** Takes a deployment out until then, whatever is known of it; 0 takes it in again. */
  exclude(slot: number, untilMs: number, nowMs: number): void {
    this.memory.coolingUntil[slot] = untilMs;
    this.exclusions++;
    this.changed(slot, nowMs);
    if (untilMs === 0) this.watchers.forget();
  }

  /** The counts of the minute begin. */
  openMinute(slot: number, minute: number): void {
    const { memory } = this;
    // The minute last: whoever is stopped on the way leaves the work to the next.
    memory.requests[slot] = 0;
    memory.tokens[slot] = 0;
    memory.successes[slot] = 0;
    memory.failures[slot] = 0;
    Atomics.store(memory.minute, slot, minute);
  }

  /** Tokens of the minute, which has begun. */
  addWithin(slot: number, tokens: number): void {
    const { tokens: counts } = this.memory;
    const known = counts[slot];
    if (known < MOST_TOKENS) counts[slot] = tokens < -known ? 0 : known + tokens;
  }

  /** Adds, and gives what it was before. */
  add(counts: Int32Array, slot: number, value: number): number {
    const before = counts[slot];
    counts[slot] = before + value;
    return before;
  }
}
