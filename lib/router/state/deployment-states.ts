import { MOST_SAMPLES, type RouterMemory } from './memory.js';

/** Upper bound of the tokens counted per minute, and of those of one request. */
export const MOST_TOKENS = 1_000_000_000;
/** Latency that a timeout counts as; a mean from `LATE_MS` on contains one. */
const TIMEOUT_LATENCY_MS = 1_000_000;
const LATE_MS = TIMEOUT_LATENCY_MS / MOST_SAMPLES;

/**
 * Reads and writes the state of deployments. Counts change with atomic operations, because other
 * threads can share the memory; a thread never waits for another one.
 */
export class DeploymentStates {
  readonly latencies: LatencySamples;
  readonly firstTokens: LatencySamples;

  /** @param memory A field, not a getter: every selection reads it. */
  constructor(public memory: RouterMemory) {
    this.latencies = new LatencySamples(answersIn(memory));
    this.firstTokens = new LatencySamples(firstTokensIn(memory));
  }

  /** Continues in a larger memory that has the same state, for all versions of the router. */
  moveTo(memory: RouterMemory): void {
    this.memory = memory;
    this.latencies.arrays = answersIn(memory);
    this.firstTokens.arrays = firstTokensIn(memory);
  }

  /**
   * Counts a request as in flight, with its tokens. The atomic operation on the own row comes
   * first: of two threads that do this and then read all rows, at least one sees both requests.
   */
  book(slot: number, tokens: number, minute: number): void {
    const { memory } = this;
    Atomics.add(memory.inFlight, slot, 1);
    this.openMinute(slot, minute);
    Atomics.add(memory.requests, slot, 1);
    this.addWithin(slot, tokens);
  }

  /** Reverts `book` within its minute. */
  undo(slot: number, tokens: number, minute: number): void {
    const { inFlight, minute: minutes, requests } = this.memory;
    if (inFlight[slot] > 0) Atomics.sub(inFlight, slot, 1);
    if (minutes[slot] !== minute) return;
    if (requests[slot] > 0) Atomics.sub(requests, slot, 1);
    this.addWithin(slot, -tokens);
  }

  /** Ends a request in flight, and adds tokens to the minute or removes some. */
  release(slot: number, tokens: number, minute: number, isSuccess = false): void {
    const { inFlight, successes } = this.memory;
    if (inFlight[slot] > 0) Atomics.sub(inFlight, slot, 1);
    this.openMinute(slot, minute);
    this.addWithin(slot, tokens);
    if (isSuccess) Atomics.add(successes, slot, 1);
  }

  addFailure(slot: number, nowMs: number): void {
    this.openMinute(slot, minuteOf(nowMs));
    Atomics.add(this.memory.failures, slot, 1);
  }

  /**
   * Counts a failure under `allowedFails` and returns the count, which expires `ttlMs` after the
   * last failure.
   */
  addFail(slot: number, ttlMs: number, nowMs: number): number {
    const { memory } = this;
    if (memory.failsUntil[slot] <= nowMs) Atomics.store(memory.fails, slot, 0);
    memory.failsUntil[slot] = nowMs + ttlMs;
    return Atomics.add(memory.fails, slot, 1) + 1;
  }

  /** Successes and failures of the current minute. */
  outcomesOf(slot: number, nowMs: number): { readonly successes: number; readonly failures: number } {
    const { minute, successes, failures } = this.memory;
    const isCurrent = minute[slot] === minuteOf(nowMs);
    return { successes: isCurrent ? successes[slot] : 0, failures: isCurrent ? failures[slot] : 0 };
  }

  addTimeout(slot: number, nowMs: number): void {
    this.latencies.add(slot, TIMEOUT_LATENCY_MS, nowMs);
    this.firstTokens.add(slot, TIMEOUT_LATENCY_MS, nowMs);
  }

  /** Puts a deployment in cooldown; never shortens a longer one. */
  cool(slot: number, untilMs: number): void {
    const { memory } = this;
    if (untilMs > memory.coolingUntil[slot]) memory.coolingUntil[slot] = untilMs;
    memory.fails[slot] = 0;
    // A timeout among the samples would keep requests away after the cooldown. Other samples are
    // kept; without any, all requests would be sent there at once.
    if (Math.max(memory.latency[slot], memory.firstToken[slot]) < LATE_MS) return;
    this.latencies.forget(slot);
    this.firstTokens.forget(slot);
  }

  /** Sets the end of a cooldown; 0 ends it now. */
  setCooldown(slot: number, untilMs: number): void {
    this.memory.coolingUntil[slot] = untilMs;
  }

  forgetSamples(): void {
    this.latencies.forgetAll();
    this.firstTokens.forgetAll();
  }

  /** Resets the counts of an earlier minute. */
  private openMinute(slot: number, minute: number): void {
    const { memory } = this;
    if (memory.minute[slot] === minute) return;
    memory.requests[slot] = 0;
    memory.tokens[slot] = 0;
    memory.successes[slot] = 0;
    memory.failures[slot] = 0;
    // The minute is written last, so that a thread that is stopped before leaves the reset to the
    // next one.
    Atomics.store(memory.minute, slot, minute);
  }

  /** Adds tokens to the open minute; the count stays between 0 and about `MOST_TOKENS`. */
  private addWithin(slot: number, tokens: number): void {
    const { tokens: counts } = this.memory;
    const known = counts[slot];
    if (tokens !== 0 && known < MOST_TOKENS) Atomics.add(counts, slot, Math.max(tokens, -known));
  }
}

/** Minute since 1970 of a time in milliseconds. */
export function minuteOf(nowMs: number): number {
  return (nowMs / 60_000) | 0;
}

interface SampleArrays {
  readonly means: Float64Array;
  readonly sampledAt: Float64Array;
  readonly counts: Int32Array;
  readonly samples: Float64Array;
}

function answersIn({ latency, latencyAt, latencies, latencySamples }: RouterMemory): SampleArrays {
  return { means: latency, sampledAt: latencyAt, counts: latencies, samples: latencySamples };
}

function firstTokensIn({ firstToken, firstTokenAt, firstTokens, firstTokenSamples }: RouterMemory): SampleArrays {
  return { means: firstToken, sampledAt: firstTokenAt, counts: firstTokens, samples: firstTokenSamples };
}

/**
 * The last samples of a latency per deployment, and their mean. Each of the threads that share the
 * memory writes to its own slot.
 */
class LatencySamples {
  /** All samples of a deployment expire this long after its newest. */
  ttlMs = Infinity;
  /** How many of the last samples count. */
  most = MOST_SAMPLES;

  constructor(public arrays: SampleArrays) {}

  add(slot: number, valueMs: number, nowMs: number): void {
    const { means, counts, samples, sampledAt } = this.arrays;
    const first = slot * MOST_SAMPLES;
    if (nowMs - sampledAt[slot] >= this.ttlMs) Atomics.store(counts, slot, 0);
    const taken = Atomics.add(counts, slot, 1) >>> 0;
    samples[first + (taken % this.most)] = valueMs;
    const kept = Math.min(taken + 1, this.most);
    let sum = 0;
    for (let index = 0; index < kept; index++) sum += samples[first + index];
    means[slot] = sum / kept;
    sampledAt[slot] = nowMs;
  }

  /** Mean of the last samples, in milliseconds; 0 without samples, and once they have expired. */
  meanOf(slot: number, nowMs: number): number {
    return nowMs - this.arrays.sampledAt[slot] < this.ttlMs ? this.arrays.means[slot] : 0;
  }

  forget(slot: number): void {
    this.arrays.counts[slot] = this.arrays.means[slot] = 0;
  }

  forgetAll(): void {
    this.arrays.counts.fill(0);
    this.arrays.means.fill(0);
  }
}
