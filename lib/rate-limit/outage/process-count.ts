const BEAT_MS = 1_000;
/** A process without a heartbeat for this long is no longer counted. */
export const GONE_AFTER_MS = 10_000;

/** How the processes of a store count each other. */
export interface ProcessCountSettings {
  /**
   * Tells the store that this process lives: resolves with the number of processes, and whether
   * this one is new to it.
   */
  readonly beat: () => Promise<readonly [count: number, isNew: boolean]>;
  /** Removes this process. */
  readonly leave: () => Promise<unknown>;
  /** Whether commands are currently sent. */
  readonly isOpen: () => boolean;
  /** A heartbeat has failed. */
  readonly onFailure: (error: unknown) => void;
  /** The store has answered a heartbeat. */
  readonly onBeat: () => void;
}

/**
 * Counts the processes that share the budgets of a store, so that each can spend its share while
 * the store is unreachable. A new process counts itself only after its second heartbeat, because by
 * then all others have counted it.
 */
export class ProcessCount {
  private readonly timer: NodeJS.Timeout;
  private count = 0;
  private isMember = false;
  private beatAtMs = -Infinity;
  private isBeating = false;

  constructor(private readonly settings: ProcessCountSettings) {
    this.timer = setInterval(() => void this.beat(), BEAT_MS);
    this.timer.unref();
    void this.beat();
  }

  /** Processes at the beginning of an outage; 0 if this one was not among them. */
  countAt(outageMs: number): number {
    return this.isMember && outageMs - this.beatAtMs < GONE_AFTER_MS ? this.count : 0;
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    const { leave, isOpen } = this.settings;
    if (isOpen()) await leave().catch(() => {});
  }

  private async beat(): Promise<void> {
    const { beat, isOpen, onBeat, onFailure } = this.settings;
    if (this.isBeating || !isOpen()) return;
    this.isBeating = true;
    const startMs = performance.now();
    try {
      const [count, isNew] = await beat();
      this.isMember = !isNew || count === 1;
      this.count = count;
      this.beatAtMs = startMs;
    } catch (error) {
      onFailure(error);
      return;
    } finally {
      this.isBeating = false;
    }
    onBeat();
  }
}
