import { steadyNow } from '../common/clock.js';

/**
 * Token bucket of statements: this many in a burst, and one more every `REFILL_MS`; 10 in any
 * second.
 */
const BURST = 4;
const REFILL_MS = 200;
/** Maximum number of ids per statement. */
const MOST_IDS = 5_000;

interface Waiting {
  readonly resolve: (record: string | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Batches look-ups of ids: at most 10 statements per second, each for all waiting ids. A client
 * that sends invented keys therefore cannot overload the database, and the first look-up of a valid
 * key waits at most 200 ms plus one statement. Known keys are cached and not looked up.
 */
export class KeyLookups {
  /** Statements since the process started. */
  statements = 0;
  private waiting = new Map<string, Waiting[]>();
  private tokens = BURST;
  private refilledMs: number;
  private isRunning = false;
  private timer: NodeJS.Timeout | undefined = undefined;

  constructor(
    /** Returns the records of ids; unknown ids are omitted. */
    private readonly read: (publicIds: readonly string[]) => Promise<ReadonlyMap<string, string>>,
    private readonly now: () => number = steadyNow,
  ) {
    this.refilledMs = now();
  }

  find(publicId: string): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const waiting = this.waiting.get(publicId);
      if (waiting === undefined) this.waiting.set(publicId, [{ resolve, reject }]);
      else waiting.push({ resolve, reject });
      // Look-ups of the same turn share a statement.
      if (this.timer === undefined && !this.isRunning) this.schedule(0);
    });
  }

  private schedule(ms: number): void {
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.next();
    }, ms);
  }

  private next(): void {
    if (this.waiting.size === 0 || this.isRunning) return;
    const nowMs = this.now();
    const refilled = Math.floor((nowMs - this.refilledMs) / REFILL_MS);
    if (refilled > 0) {
      this.tokens = Math.min(BURST, this.tokens + refilled);
      this.refilledMs += refilled * REFILL_MS;
    }
    if (this.tokens === 0) {
      this.schedule(Math.ceil(this.refilledMs + REFILL_MS - nowMs));
      return;
    }
    this.tokens--;
    void this.lookUp(this.taken());
  }

  private taken(): ReadonlyMap<string, readonly Waiting[]> {
    const { waiting } = this;
    if (waiting.size <= MOST_IDS) {
      this.waiting = new Map();
      return waiting;
    }
    const first = new Map([...waiting].slice(0, MOST_IDS));
    for (const publicId of first.keys()) waiting.delete(publicId);
    return first;
  }

  private async lookUp(asked: ReadonlyMap<string, readonly Waiting[]>): Promise<void> {
    this.isRunning = true;
    this.statements++;
    try {
      const found = await this.read([...asked.keys()]);
      for (const [publicId, waiting] of asked) for (const { resolve } of waiting) resolve(found.get(publicId));
    } catch (error) {
      for (const waiting of asked.values()) for (const { reject } of waiting) reject(error);
    } finally {
      this.isRunning = false;
      this.next();
    }
  }
}
