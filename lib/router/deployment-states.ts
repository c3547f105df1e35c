import { JOURNAL_LENGTH, minuteOf, MOST_SAMPLES, type RouterMemory } from './router.memory.js';

/** Whoever keeps an order of deployments, and has to hear of changes. */
export interface Watcher {
  /** The deployment at `position` has changed. */
  update(position: number, nowMs: number): void;
  /** Anything may have changed. */
  forget(): void;
}

/** Where the journal stands in the integers, and how its entries are made: a slot, and the round of the ring that tells a new entry from an old one. */
const JOURNAL_HEAD = 0;
const JOURNAL_START = 64;
const SLOT_BITS = 16;
const ROUND_MASK = 0x7fff;
/** Where other threads see the memory, what a thread that was stopped may have left half done is made good this often. */
const HEAL_EVERY_MS = 1_000;
/** Tokens of a minute are not counted above this; a request has as many at most. */
export const MOST_TOKENS = 1_000_000_000;

/**
 * Reads and writes what is known of deployments, and tells those who order them. Alone in its memory it uses plain reads and writes; where threads share it,
 * atomic ones and a journal, by which each thread keeps its own orders up to date: none ever waits for another.
 */
export class DeploymentStates {
  private readonly watchers: { watcher: Watcher; position: number }[][];
  private readonly listeners = new Set<Pick<Watcher, 'forget'>>();
  private readonly shared: boolean;
  private read: number;
  private healedAtMs = 0;

  constructor(readonly memory: RouterMemory) {
    this.shared = memory.own !== null;
    this.watchers = Array.from({ length: memory.capacity }, () => []);
    this.read = Atomics.load(memory.ints, JOURNAL_HEAD);
  }

  /** Tells `watcher` of changes of these slots, by their position. */
  watch(watcher: Watcher, slots: Int32Array): void {
    for (const [position, slot] of slots.entries()) this.watchers[slot].push({ watcher, position });
    this.listen(watcher);
  }

  /** Tells `listener` when anything may have changed. */
  listen(listener: Pick<Watcher, 'forget'>): void {
    this.listeners.add(listener);
  }

  unwatch(watcher: Pick<Watcher, 'forget'>): void {
    if (!this.listeners.delete(watcher)) return;
    for (const [slot, watchers] of this.watchers.entries()) {
      if (watchers.some((known) => known.watcher === watcher)) this.watchers[slot] = watchers.filter((known) => known.watcher !== watcher);
    }
  }

  /** Makes all orders anew: for changes that no time announces. */
  forgetOrders(): void {
    for (const listener of this.listeners) listener.forget();
  }

  /** Takes over what other threads have changed. */
  catchUp(nowMs: number): void {
    if (!this.shared) return;
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

  /** The deployment's state has changed. */
  changed(slot: number, nowMs: number): void {
    if (this.shared) {
      const { ints } = this.memory;
      const at = Atomics.add(ints, JOURNAL_HEAD, 1);
      Atomics.store(ints, JOURNAL_START + (at & (JOURNAL_LENGTH - 1)), (roundOf(at) << SLOT_BITS) | slot);
      if (at === this.read) this.read = (at + 1) | 0;
    }
    this.tell(slot, nowMs);
  }

  /** One more request under way, and in the minute. */
  begin(slot: number, tokens: number, nowMs: number): void {
    const { memory } = this;
    this.openMinute(slot, minuteOf(nowMs));
    if (memory.own === null) {
      memory.inFlight[slot]++;
      memory.requests[slot]++;
      if (memory.tokens[slot] < MOST_TOKENS) memory.tokens[slot] += tokens;
    } else {
      memory.own[slot]++;
      Atomics.add(memory.inFlight, slot, 1);
      Atomics.add(memory.requests, slot, 1);
      if (tokens !== 0 && memory.tokens[slot] < MOST_TOKENS) Atomics.add(memory.tokens, slot, tokens);
    }
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

  /** One request less under way. */
  end(slot: number): void {
    const { own, inFlight } = this.memory;
    if (own === null) {
      if (inFlight[slot] > 0) inFlight[slot]--;
    } else if (own[slot] > 0) {
      Atomics.sub(inFlight, slot, 1);
      own[slot]--;
    }
  }

  /** Tokens of the minute, more or fewer: fewer only of the minute `since`. */
  addTokens(slot: number, tokens: number, since: number, nowMs: number): void {
    if (tokens === 0) return;
    const { memory } = this;
    const minute = minuteOf(nowMs);
    if (tokens < 0 && since !== minute) return;
    this.openMinute(slot, minute);
    if (memory.tokens[slot] < MOST_TOKENS) this.add(memory.tokens, slot, Math.max(tokens, -memory.tokens[slot]));
  }

  addLatency(slot: number, latencyMs: number, most: number, nowMs: number): void {
    const { memory } = this;
    const taken = this.add(memory.latencies, slot, 1);
    memory.latency[slot] = sample(memory.latencySamples, slot, taken, latencyMs, most);
    memory.latencyAt[slot] = nowMs;
  }

  addFirstToken(slot: number, latencyMs: number, most: number, nowMs: number): void {
    const { memory } = this;
    const taken = this.add(memory.firstTokens, slot, 1);
    memory.firstToken[slot] = sample(memory.firstTokenSamples, slot, taken, latencyMs, most);
    memory.firstTokenAt[slot] = nowMs;
  }

  addSuccess(slot: number, nowMs: number): void {
    this.openMinute(slot, minuteOf(nowMs));
    this.add(this.memory.successes, slot, 1);
  }

  addFailure(slot: number, nowMs: number): void {
    this.openMinute(slot, minuteOf(nowMs));
    this.add(this.memory.failures, slot, 1);
  }

  /** Failures that are counted until none comes for `ttlMs`. */
  addFail(slot: number, ttlMs: number, nowMs: number): number {
    const { memory } = this;
    if (memory.failsUntil[slot] <= nowMs) Atomics.store(memory.fails, slot, 0);
    memory.failsUntil[slot] = nowMs + ttlMs;
    return this.add(memory.fails, slot, 1) + 1;
  }

  /** Takes a deployment out until then; never shorter than before. What was measured of it says nothing of what it is like after that. */
  cool(slot: number, untilMs: number, nowMs: number): void {
    const { memory } = this;
    if (untilMs > memory.coolingUntil[slot]) memory.coolingUntil[slot] = untilMs;
    memory.fails[slot] = 0;
    memory.latencies[slot] = 0;
    memory.firstTokens[slot] = 0;
    memory.latency[slot] = 0;
    memory.firstToken[slot] = 0;
    this.changed(slot, nowMs);
  }

  private openMinute(slot: number, minute: number): void {
    const { memory } = this;
    if (memory.minute[slot] === minute) return;
    // The minute last: whoever is stopped on the way leaves the work to the next.
    memory.requests[slot] = 0;
    memory.tokens[slot] = 0;
    memory.successes[slot] = 0;
    memory.failures[slot] = 0;
    Atomics.store(memory.minute, slot, minute);
  }

  private add(counts: Int32Array, slot: number, value: number): number {
    if (this.shared) return Atomics.add(counts, slot, value);
    const before = counts[slot];
    counts[slot] = before + value;
    return before;
  }

  private tell(slot: number, nowMs: number): void {
    const watchers = this.watchers[slot];
    for (let index = 0; index < watchers.length; index++) watchers[index].watcher.update(watchers[index].position, nowMs);
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

/** Adds a sample to the last `most` of a deployment, and gives their mean. */
function sample(samples: Float64Array, slot: number, taken: number, value: number, most: number): number {
  const first = slot * MOST_SAMPLES;
  const kept = Math.min(taken + 1, most);
  samples[first + (taken % most)] = value;
  let sum = 0;
  for (let index = 0; index < kept; index++) sum += samples[first + index];
  return sum / kept;
}
