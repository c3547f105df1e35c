/** What timers take. */
const LONGEST_MS = 2 ** 31 - 1;

/** How long an attempt may take, in milliseconds. `Infinity`: no end. */
export interface AttemptTimes {
  /** To its end; what is left of the call's own time at most. */
  readonly wholeMs: number;
  /** To its first chunk, if it is streamed. */
  readonly firstChunkMs: number;
}

/** What is told that something has not come in time. */
export interface Timed {
  timeOut(what: 'answer' | 'first chunk'): void;
}

/** The two limits of one attempt. Stopped, it lets go of it: Node's timers keep what they were given. */
export class AttemptTimer {
  private attempt: Timed | undefined;
  private whole: NodeJS.Timeout | undefined;
  private first: NodeJS.Timeout | undefined;

  constructor({ wholeMs, firstChunkMs }: AttemptTimes, attempt: Timed) {
    this.attempt = attempt;
    if (wholeMs < LONGEST_MS) this.whole = setTimeout(timeOut, Math.max(0, wholeMs), this, 'answer');
    if (firstChunkMs < wholeMs && firstChunkMs < LONGEST_MS)
      this.first = setTimeout(timeOut, Math.max(0, firstChunkMs), this, 'first chunk');
  }

  /** The first chunk is there. */
  firstChunk(): void {
    clearTimeout(this.first);
    this.first = undefined;
  }

  stop(): void {
    clearTimeout(this.whole);
    this.whole = undefined;
    this.firstChunk();
    this.attempt = undefined;
  }

  timeOut(what: 'answer' | 'first chunk'): void {
    this.attempt?.timeOut(what);
  }
}

function timeOut(timer: AttemptTimer, what: 'answer' | 'first chunk'): void {
  timer.timeOut(what);
}
