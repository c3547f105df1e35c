import { sampleShared } from './latency-samples.js';
import { JOURNAL_LENGTH, minuteOf, MOST_SAMPLES, type RouterMemory } from './router.memory.js';
import type { Watcher } from './watcher.js';

/** Where the journal stands in the integers, and how its entries are made: a slot, and the round of the ring that tells a new entry from an old one. */
const JOURNAL_HEAD = 0;
const JOURNAL_START = 64;
const SLOT_BITS = 16;
// A constant of this module, too: a property of another module's exports is read anew at each use.
const SAMPLES = MOST_SAMPLES;
const ROUND_MASK = 0x7fff;
/** Where other threads see the memory, what a thread that was stopped may have left half done is made good this often. */
const HEAL_EVERY_MS = 1_000;
const NO_OTHERS: readonly { watcher: Watcher; position: number }[] = [];
/** Tokens of a minute are not counted above this; a request has as many at most. */
export const MOST_TOKENS = 1_000_000_000;
/** What a time-out counts as for the strategy by latency; means from `LATE_MS` on have one in them. */
export const TIMEOUT_LATENCY_MS = 1_000_000;
const LATE_MS = TIMEOUT_LATENCY_MS / MOST_SAMPLES;

/**
 * Reads and writes what is known of deployments, and tells those who order them. Alone in its memory it uses plain reads and writes; where threads share it,
 * atomic ones and a journal, by which each thread keeps its own orders up to date: none ever waits for another.
 */
export class DeploymentStates {
  /** Of every slot one watcher, and its position there; the few others, of which most slots have none. */
  private readonly first: (Watcher | undefined)[];
  private readonly firstPositions: Int32Array;
  private readonly others = new Map<number, { watcher: Watcher; position: number }[]>();
  private hasOthers = false;
  private hasWatchers = false;
  private readonly listeners = new Set<Pick<Watcher, 'forget'>>();
  /** Whether others write to the memory, too. */
  readonly shared: boolean;
  private read: number;
  private healedAtMs = 0;
  /** How often a deployment was taken out: who keeps a list of the others compares. */
  exclusions = 0;
  /** It has changed, which those who order it have not been told: once does for several changes in a row. -1: none. */
  private untold = -1;

  constructor(readonly memory: RouterMemory) {
    this.shared = memory.isShared;
    this.first = new Array<Watcher | undefined>(memory.capacity).fill(undefined);
    this.firstPositions = new Int32Array(memory.capacity);
    this.read = Atomics.load(memory.ints, JOURNAL_HEAD);
  }

  /** Tells `watcher` of changes of these slots, by their position. */
  watch(watcher: Watcher, slots: Int32Array): void {
    this.hasWatchers = true;
    for (const [position, slot] of slots.entries()) {
      if (this.first[slot] === undefined) {
        this.first[slot] = watcher;
        this.firstPositions[slot] = position;
      } else {
        this.others.set(slot, [...(this.others.get(slot) ?? []), { watcher, position }]);
        this.hasOthers = true;
      }
    }
    this.listen(watcher);
  }

  /** Tells `listener` when anything may have changed. */
  listen(listener: Pick<Watcher, 'forget'>): void {
    this.listeners.add(listener);
  }

  unwatch(watcher: Pick<Watcher, 'forget'>): void {
    if (!this.listeners.delete(watcher)) return;
    for (const [slot, others] of this.others) {
      const left = others.filter((other) => other.watcher !== watcher);
      this.others.set(slot, left);
    }
    for (const [slot, first] of this.first.entries()) {
      if (first !== watcher) continue;
      const next = this.others.get(slot)?.shift();
      this.first[slot] = next?.watcher;
      this.firstPositions[slot] = next?.position ?? 0;
    }
  }

  /** Makes all orders anew: for changes that no time announces. */
  forgetOrders(): void {
    for (const listener of this.listeners) listener.forget();
  }

  /** Brings all orders up to date, with what other threads have changed. */
  catchUp(nowMs: number): void {
    if (this.untold >= 0) this.tellLast(nowMs);
    if (this.shared) this.follow(nowMs);
  }

  /** The deployment's state has changed: whatever was written before, plainly too, is seen by whoever reads the journal after this. */
  changed(slot: number, nowMs: number): void {
    if (this.shared) this.note(slot);
    if (this.untold !== slot) this.tellNext(slot, nowMs);
  }

  /**
   * One more request under way, and in the minute. The journal is one for all: of two threads that begin at the same time and look at all counts after that, at least
   * one sees both.
   */
  begin(slot: number, tokens: number, nowMs: number): void {
    const { memory } = this;
    const minute = minuteOf(nowMs);
    if (memory.minute[slot] !== minute) this.openMinute(slot, minute);
    memory.inFlight[slot]++;
    if (this.shared) Atomics.add(memory.requests, slot, 1);
    else memory.requests[slot]++;
    if (tokens !== 0) this.addWithin(slot, tokens);
    this.changed(slot, nowMs);
  }

  /** What `begin` took, as if it had not been. */
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

  addLatency(slot: number, latencyMs: number, most: number, nowMs: number): void {
    const { memory } = this;
    memory.latencyAt[slot] = nowMs;
    this.sample(memory.latency, memory.latencies, memory.latencySamples, slot, latencyMs, most);
  }

  addFirstToken(slot: number, latencyMs: number, most: number, nowMs: number): void {
    const { memory } = this;
    this.sample(memory.firstToken, memory.firstTokens, memory.firstTokenSamples, slot, latencyMs, most);
    memory.firstTokenAt[slot] = nowMs;
  }

  /** Forgets the samples of all. */
  forgetSamples(): void {
    const { latencies, firstTokens, latency, firstToken } = this.memory;
    for (const array of [latencies, firstTokens, latency, firstToken]) array.fill(0);
    this.forgetOrders();
  }

  /** One request less under way, a success in this minute, with what its tokens differ by from those that were booked in the minute `since`. */
  succeeded(slot: number, tokens: number, since: number, nowMs: number): void {
    const { memory } = this;
    const minute = minuteOf(nowMs);
    if (memory.inFlight[slot] > 0) memory.inFlight[slot]--;
    if (memory.minute[slot] !== minute) this.openMinute(slot, minute);
    if (this.shared) Atomics.add(memory.successes, slot, 1);
    else memory.successes[slot]++;
    if (tokens > 0 || (tokens < 0 && since === minute)) this.addWithin(slot, tokens);
    this.changed(slot, nowMs);
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
    if (untilMs === 0) this.forgetOrders();
  }

  /** Takes over what other threads have changed. */
  private follow(nowMs: number): void {
    const { ints } = this.memory;
    const head = Atomics.load(ints, JOURNAL_HEAD);
    if (nowMs - this.healedAtMs >= HEAL_EVERY_MS) return this.heal(head, nowMs);
    while (this.read !== head) {
      const entry = Atomics.load(ints, JOURNAL_START + (this.read & (JOURNAL_LENGTH - 1)));
      // Overwritten, or not written yet.
      if (entry >>> SLOT_BITS !== roundOf(this.read)) return this.heal(head, nowMs);
      this.tell(entry & 0xffff, nowMs);
      this.read = (this.read + 1) | 0;
    }
  }

  private openMinute(slot: number, minute: number): void {
    const { memory } = this;
    // The minute last: whoever is stopped on the way leaves the work to the next.
    memory.requests[slot] = 0;
    memory.tokens[slot] = 0;
    memory.successes[slot] = 0;
    memory.failures[slot] = 0;
    Atomics.store(memory.minute, slot, minute);
  }

  private addWithin(slot: number, tokens: number): void {
    const { tokens: counts } = this.memory;
    const known = counts[slot];
    if (known >= MOST_TOKENS) return;
    if (this.shared) Atomics.add(counts, slot, tokens < -known ? -known : tokens);
    else counts[slot] = tokens < -known ? 0 : known + tokens;
  }

  private add(counts: Int32Array, slot: number, value: number): number {
    if (this.shared) return Atomics.add(counts, slot, value);
    const before = counts[slot];
    counts[slot] = before + value;
    return before;
  }

  /** Adds a sample to the last `most` of a deployment, and keeps their mean. */
  private sample(means: Float64Array, counts: Int32Array, samples: Float64Array, slot: number, value: number, most: number): void {
    if (this.shared) {
      sampleShared(means, counts, samples, slot, value, most);
      return;
    }
    // Counts up to `most`, and then around from there to twice of it.
    const taken = counts[slot];
    const isFull = taken >= most;
    const at = slot * SAMPLES + (isFull ? taken - most : taken);
    means[slot] += isFull ? (value - samples[at]) / most : (value - means[slot]) / (taken + 1);
    samples[at] = value;
    counts[slot] = taken + 1 < 2 * most ? taken + 1 : most;
  }

  private note(slot: number): void {
    const { ints } = this.memory;
    const at = Atomics.add(ints, JOURNAL_HEAD, 1);
    Atomics.store(ints, JOURNAL_START + (at & (JOURNAL_LENGTH - 1)), (roundOf(at) << SLOT_BITS) | slot);
    if (at === this.read) this.read = (at + 1) | 0;
  }

  private tellNext(slot: number, nowMs: number): void {
    if (!this.hasWatchers) return;
    if (this.untold >= 0) this.tellLast(nowMs);
    this.untold = slot;
  }

  private tellLast(nowMs: number): void {
    const { untold } = this;
    this.untold = -1;
    this.tell(untold, nowMs);
  }

  private tell(slot: number, nowMs: number): void {
    const first = this.first[slot];
    if (first === undefined) return;
    first.update(this.firstPositions[slot], nowMs);
    if (this.hasOthers) this.tellOthers(slot, nowMs);
  }

  private tellOthers(slot: number, nowMs: number): void {
    for (const { watcher, position } of this.others.get(slot) ?? NO_OTHERS) watcher.update(position, nowMs);
  }

  private heal(head: number, nowMs: number): void {
    this.read = head;
    this.healedAtMs = nowMs;
    this.forgetOrders();
  }
}

function roundOf(at: number): number {
  return ((at >>> 12) + 1) & ROUND_MASK;
}
