import { LONGEST_TIMER_MS } from '../../common/clocks.js';

/** How often attempts are looked at whose time is far off. */
const LOOK_EVERY_MS = 250;
/** What is far off: further than a look that comes late may be from the next. */
const FAR_MS = 4 * LOOK_EVERY_MS;

/** How long an attempt may take, in milliseconds. `Infinity`: no end. */
export interface AttemptTimes {
  /** To its end; what is left of the call's own time at most. */
  readonly wholeMs: number;
  /** To its first chunk, if it is streamed. */
  readonly firstChunkMs: number;
  /** Whether a time for its beginning is set: that alone counts then, and no shorter one of the connection's. */
  readonly isHeadSet?: boolean;
  /** The same of what comes behind it. */
  readonly isBodySet?: boolean;
  /** Which of the two limits the request's body has set below the operator's: running out of it says nothing of the deployment. */
  readonly byCaller?: { readonly whole: boolean; readonly firstChunk: boolean };
}

/** What is told that something has not come in time. */
export interface Timed {
  timeOut(what: 'answer' | 'first chunk'): void;
}

/** The two limits of one attempt. Stopped, it lets go of it: Node's timers keep what they were given. */
export class AttemptTimer {
  /** Its neighbours among those whose time is far off. */
  before: AttemptTimer | undefined = undefined;
  behind: AttemptTimer | undefined = undefined;
  /** Whether its time is up, and the caller has set that time. */
  isOverByCaller = false;
  private readonly byCaller: AttemptTimes['byCaller'];
  private readonly wholeAtMs: number;
  private firstChunkAtMs: number;
  private whole: NodeJS.Timeout | undefined = undefined;
  private first: NodeJS.Timeout | undefined = undefined;

  /** @param far Where it waits while its time is far off; without it, it has timers of its own at once, which keep the process. */
  constructor(
    { wholeMs, firstChunkMs, byCaller }: AttemptTimes,
    private attempt: Timed | undefined,
    private far?: FarTimers,
    startedAtMs = performance.now(),
  ) {
    this.byCaller = byCaller;
    this.wholeAtMs = startedAtMs + wholeMs;
    this.firstChunkAtMs = startedAtMs + firstChunkMs;
    if (far !== undefined && wholeMs > FAR_MS && firstChunkMs > FAR_MS) far.add(this);
    else this.begin(startedAtMs);
  }

  /** When its time is up. */
  get dueAtMs(): number {
    return Math.min(this.wholeAtMs, this.firstChunkAtMs);
  }

  /** From now on it has timers of its own. */
  begin(nowMs: number): void {
    this.far = undefined;
    const wholeMs = this.wholeAtMs - nowMs;
    const firstChunkMs = this.firstChunkAtMs - nowMs;
    if (wholeMs < LONGEST_TIMER_MS) this.whole = setTimeout(timeOut, delay(wholeMs), this, 'answer');
    if (firstChunkMs < wholeMs && firstChunkMs < LONGEST_TIMER_MS)
      this.first = setTimeout(timeOut, delay(firstChunkMs), this, 'first chunk');
  }

  /** The first chunk is there. */
  firstChunk(): void {
    this.firstChunkAtMs = Infinity;
    if (this.first === undefined) return;
    clearTimeout(this.first);
    this.first = undefined;
  }

  stop(): void {
    this.attempt = undefined;
    this.far?.delete(this);
    this.far = undefined;
    this.firstChunk();
    if (this.whole === undefined) return;
    clearTimeout(this.whole);
    this.whole = undefined;
  }

  timeOut(what: 'answer' | 'first chunk'): void {
    const { byCaller } = this;
    this.isOverByCaller = byCaller !== undefined && (what === 'answer' ? byCaller.whole : byCaller.firstChunk);
    this.attempt?.timeOut(what);
  }
}

/**
 * Attempts whose time is far off: nearly all are over long before, and need no timer of their own. They are looked at now and then, by one timer for all that
 * runs only while there are any and keeps no process: the sockets of the attempts do.
 *
 * Whoever leaves lets go of its neighbours, as in `WaitingQueue`.
 */
export class FarTimers {
  private first: AttemptTimer | undefined = undefined;
  private look: NodeJS.Timeout | undefined = undefined;

  add(timer: AttemptTimer): void {
    timer.behind = this.first;
    if (this.first !== undefined) this.first.before = timer;
    this.first = timer;
    this.look ??= setInterval(lookAt, LOOK_EVERY_MS, this).unref();
  }

  delete(timer: AttemptTimer): void {
    const { before, behind } = timer;
    if (before === undefined) this.first = behind;
    else before.behind = behind;
    if (behind !== undefined) behind.before = before;
    timer.before = timer.behind = undefined;
  }

  /** Those whose time comes before the look after the next have timers of their own. */
  lookAround(): void {
    if (this.first === undefined) {
      clearInterval(this.look);
      this.look = undefined;
      return;
    }
    const nowMs = performance.now();
    for (let timer: AttemptTimer | undefined = this.first, behind; timer !== undefined; timer = behind) {
      ({ behind } = timer);
      if (timer.dueAtMs - nowMs > 2 * LOOK_EVERY_MS) continue;
      this.delete(timer);
      timer.begin(nowMs);
    }
  }
}

/** Node cuts fractions off; those that come of adding and subtracting are none. */
function delay(ms: number): number {
  return Math.max(0, Math.ceil(ms - 0.001));
}

function timeOut(timer: AttemptTimer, what: 'answer' | 'first chunk'): void {
  timer.timeOut(what);
}

function lookAt(timers: FarTimers): void {
  timers.lookAround();
}
