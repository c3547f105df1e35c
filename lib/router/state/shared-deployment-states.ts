import { DeploymentStates, MOST_TOKENS } from './deployment-states.js';
import { JOURNAL_LENGTH, type RouterMemory } from './memory.js';

/** Where the journal stands in the integers, and how its entries are made: a slot, and the round of the ring that tells a new entry from an old one. */
const JOURNAL_HEAD = 0;
const JOURNAL_START = 64;
const SLOT_BITS = 16;
const ROUND_MASK = 0x7fff;
/** What a thread that was stopped may have left half done is made good this often. */
const HEAL_EVERY_MS = 1_000;

/**
 * The same where threads share the memory: with atomic operations and a journal, by which each thread keeps its own orders up to date. None ever waits for
 * another.
 */
class SharedDeploymentStates extends DeploymentStates {
  private read: number;
  private healedAtMs = 0;

  constructor(memory: RouterMemory) {
    super(memory);
    this.read = Atomics.load(memory.ints, JOURNAL_HEAD);
  }

  override catchUp(nowMs: number): void {
    const { ints } = this.memory;
    const head = Atomics.load(ints, JOURNAL_HEAD);
    if (nowMs - this.healedAtMs >= HEAL_EVERY_MS) return this.heal(head, nowMs);
    while (this.read !== head) {
      const entry = Atomics.load(ints, JOURNAL_START + (this.read & (JOURNAL_LENGTH - 1)));
      // Overwritten, or not written yet.
      if (entry >>> SLOT_BITS !== roundOf(this.read)) return this.heal(head, nowMs);
      this.watchers.tell(entry & 0xffff, nowMs);
      this.read = (this.read + 1) | 0;
    }
  }

  /**
   * Whatever was written before, plainly too, is seen by whoever reads the journal after this. The journal is one for all: of two threads that book at the same
   * time and look at all counts after that, at least one sees both.
   */
  override changed(slot: number, nowMs: number): void {
    this.note(slot);
    super.changed(slot, nowMs);
  }

  override addWithin(slot: number, tokens: number): void {
    const { tokens: counts } = this.memory;
    const known = counts[slot];
    if (known < MOST_TOKENS) Atomics.add(counts, slot, tokens < -known ? -known : tokens);
  }

  override add(counts: Int32Array, slot: number, value: number): number {
    return Atomics.add(counts, slot, value);
  }

  private note(slot: number): void {
    const { ints } = this.memory;
    const at = Atomics.add(ints, JOURNAL_HEAD, 1);
    Atomics.store(ints, JOURNAL_START + (at & (JOURNAL_LENGTH - 1)), (roundOf(at) << SLOT_BITS) | slot);
    if (at === this.read) this.read = (at + 1) | 0;
  }

  private heal(head: number, nowMs: number): void {
    this.read = head;
    this.healedAtMs = nowMs;
    this.watchers.forget();
  }
}

/** What reads and writes this memory. */
export function statesOf(memory: RouterMemory): DeploymentStates {
  return memory.isShared ? new SharedDeploymentStates(memory) : new DeploymentStates(memory);
}

function roundOf(at: number): number {
  return ((at >>> 12) + 1) & ROUND_MASK;
}
