import { CallQueueError, type QueueRefusal } from '../../common/http-errors.js';
import { SILENT_RECORDER, type CallRecorder } from '../../common/recorder.js';
import type { Abortable } from '../call/cancellation.js';
import { Drain } from './drain.js';
import { QueueCounts, type QueueOutcome } from './queue-counts.js';
import { QUEUE_CLASSES, type QueueClass } from './queue-class.js';
import type { ResolvedQueueOptions } from './queue.options.js';
import { WaitingLine, type Classed } from './waiting-line.js';

/** Whose call it is, and how urgent. */
export interface QueuePlace {
  readonly tenant: string;
  readonly weight: number;
  readonly queueClass: QueueClass;
}

/** A call, as the queue sees it. */
export interface QueuedCall {
  readonly model: string;
  readonly place: QueuePlace;
  readonly promptTokens: number;
  /** Prompt and longest answer. */
  readonly costTokens: number;
  /** Until its deadline, in milliseconds. */
  readonly leftMs: number;
  /** How long it has waited so far. */
  waitedMs: number;
  readonly cancellation: { readonly error: Error | undefined; active: Abortable | undefined };
}

/** The call cannot go now. */
export interface NotYet<F> {
  readonly isNotYet: true;
  /** What the call fails with where waiting does not help. */
  readonly failure: F;
  /** Until it may go; `undefined` where an event decides. */
  readonly retryAfterMs: number | undefined;
  /** Whether it may go before: a call in flight may free what it needs. */
  readonly mayBeSooner: boolean;
  /** Whether a call with fewer tokens might go. */
  readonly dependsOnTokens: boolean;
}

/** What a call waits for. */
export interface Wanted<R, F> {
  /** Calls of one lane need the same: where one cannot go, no other can. */
  readonly lane: unknown;
  readonly tryToGo: () => R | NotYet<F>;
}

/** A call in the queue. */
interface Waiter extends Classed {
  readonly lane: unknown;
  readonly enteredAtMs: number;
  readonly untilMs: number;
  readonly call: QueuedCall;
  /** `undefined`: it has gone. */
  readonly tryToGo: () => NotYet<unknown> | undefined;
  readonly reject: (error: Error) => void;
}

/** Figures of one class. */
export interface QueueClassStatus {
  readonly length: number;
  /** How long its oldest call has waited. */
  readonly oldestMs: number;
}

/** The queue at one moment. */
export interface QueueStatus {
  readonly length: number;
  /** `maxCalls`. */
  readonly most: number;
  readonly promptTokens: number;
  /** Calls since the start that were refused or pushed out because the queue was full. */
  readonly refused: number;
  /** Calls since the start that no deployment could take in time. */
  readonly late: number;
  readonly byClass: Readonly<Record<QueueClass, QueueClassStatus>>;
  /** Calls that leave for a deployment, over the last minute. */
  readonly drainPerSecond: number;
}

/** Other threads and processes free places without telling. */
const POLL_MS = 250;

/** Tokens that a call needs. */
type Size = Pick<Waiter, 'promptTokens' | 'costTokens'>;
const ANY_SIZE: Size = { promptTokens: 0, costTokens: 0 };

/** Lanes in which nothing can go for the moment, and from which size on. */
class BlockedLanes {
  private readonly sizes = new Map<unknown, Size[]>();

  add({ lane, promptTokens, costTokens }: Waiter, dependsOnTokens: boolean): void {
    const size = dependsOnTokens ? { promptTokens, costTokens } : ANY_SIZE;
    const known = this.sizes.get(lane);
    if (known === undefined) this.sizes.set(lane, [size]);
    else known.push(size);
  }

  has({ lane, promptTokens, costTokens }: Waiter): boolean {
    const known = this.sizes.get(lane);
    return known?.some((size) => promptTokens >= size.promptTokens && costTokens >= size.costTokens) === true;
  }
}

/**
 * Calls that wait until a deployment can take them. Events wake it: a released deployment, the end
 * of a window or of a cooldown. One timer serves all calls.
 */
export class CallQueue {
  readonly counts: QueueCounts;
  private readonly line = new WaitingLine<Waiter>();
  private readonly drain = new Drain();
  private timer: NodeJS.Timeout | undefined = undefined;
  private timerAtMs = Infinity;
  private isWoken = false;

  /** @param now Milliseconds, of a clock that never steps. */
  constructor(
    private readonly options: ResolvedQueueOptions,
    private readonly now: () => number,
    recorder: CallRecorder = SILENT_RECORDER,
  ) {
    this.counts = new QueueCounts(recorder);
  }

  get length(): number {
    return this.line.size;
  }

  /**
   * Lets a call go at once, or when its turn comes. A `NotYet` comes back where the call would wait
   * in vain. Not `async`: a call that need not wait goes on in the same turn.
   * @throws CallQueueError when the queue is full, or the call has waited its time
   * @throws RequestCancelledError when the call is cancelled meanwhile
   */
  go<R, F>(call: QueuedCall, wanted: Wanted<R, F>): R | NotYet<F> | Promise<R | NotYet<F>> {
    let known: NotYet<F> | undefined;
    // Where others wait, they go first.
    if (this.line.size === 0) {
      const result = wanted.tryToGo();
      if (!isNotYet(result)) return result;
      known = result;
    }
    const nowMs = this.now();
    const waitMs = Math.min(this.options.maxWaitMs - call.waitedMs, call.leftMs - this.drain.medianServiceMs);
    if (known !== undefined && isInVain(known, waitMs)) return known;
    if (call.cancellation.error !== undefined) throw call.cancellation.error;
    return this.enter(call, wanted, { nowMs, untilMs: nowMs + waitMs, retryAfterMs: known?.retryAfterMs });
  }

  /** Something may be free: lets calls go, once for all events of this turn. */
  wake(): void {
    if (this.isWoken || this.line.size === 0) return;
    this.isWoken = true;
    queueMicrotask(() => {
      this.isWoken = false;
      this.pass();
    });
  }

  /** An attempt has succeeded after this time. */
  served(durationMs: number): void {
    this.drain.ended(durationMs);
  }

  status(): QueueStatus {
    const nowMs = this.now();
    const figures = QUEUE_CLASSES.map((name) => {
      const { size, oldest } = this.line.of(name);
      return [name, { length: size, oldestMs: oldest === undefined ? 0 : nowMs - oldest.enteredAtMs }] as const;
    });
    return {
      length: this.line.size,
      most: this.options.maxCalls,
      promptTokens: this.line.promptTokens,
      refused: this.counts.total('full'),
      late: this.counts.total('timeout'),
      byClass: Object.fromEntries(figures) as Record<QueueClass, QueueClassStatus>,
      drainPerSecond: this.drain.perSecond(nowMs),
    };
  }

  private enter<R, F>(
    call: QueuedCall,
    { lane, tryToGo }: Wanted<R, F>,
    { nowMs, untilMs, retryAfterMs = POLL_MS }: { readonly nowMs: number; readonly untilMs: number; readonly retryAfterMs?: number },
  ): Promise<R | NotYet<F>> {
    if (untilMs <= nowMs) throw this.refusal('queue_timeout', call);
    return new Promise((resolve, reject) => {
      const { place, promptTokens, costTokens } = call;
      const waiter: Waiter = {
        ...place,
        promptTokens,
        costTokens,
        lane,
        enteredAtMs: nowMs,
        untilMs,
        call,
        reject,
        tryToGo: () => {
          const result = tryToGo();
          if (isNotYet(result) && !isInVain(result, untilMs - this.now())) return result;
          resolve(result);
          return undefined;
        },
      };
      this.makeRoom(waiter);
      this.line.add(waiter);
      call.cancellation.active = {
        abort: (error) => {
          this.leave(waiter, 'cancelled');
          reject(error);
        },
      };
      this.wakeAt(Math.min(untilMs, nowMs + retryAfterMs));
      // It may need what those before it do not.
      if (this.line.size > 1) this.wake();
    });
  }

  /** @throws CallQueueError where the call does not fit, or takes the place of less urgent ones. */
  private makeRoom(waiter: Waiter): void {
    const { maxCalls, maxPromptTokens, maxCallsPerTenant } = this.options;
    const isTenantFull = this.line.sizeOf(waiter.tenant) >= maxCallsPerTenant;
    const victims = isTenantFull ? undefined : this.line.victimsFor(waiter, { calls: maxCalls, promptTokens: maxPromptTokens });
    if (victims === undefined) {
      this.counts.left(waiter.queueClass, 'full', 0);
      throw this.refusal('queue_full', waiter.call);
    }
    for (const victim of victims) {
      this.leave(victim, 'full');
      victim.reject(this.refusal('queue_full', victim.call));
    }
  }

  /** Lets go whatever can go, in the order of the line. */
  private pass(): void {
    const blocked = new BlockedLanes();
    const isBlocked = (waiter: Waiter): boolean => blocked.has(waiter);
    let retryAfterMs = POLL_MS;
    for (let next = this.line.next(isBlocked); next !== undefined; next = this.line.next(isBlocked)) {
      const notYet = this.tryToGo(next);
      if (notYet === undefined) continue;
      blocked.add(next, notYet.dependsOnTokens);
      retryAfterMs = Math.min(retryAfterMs, notYet.retryAfterMs ?? Infinity);
    }
    if (this.line.size === 0) this.stopTimer();
    else this.wakeAt(this.now() + retryAfterMs);
  }

  private tryToGo(waiter: Waiter): NotYet<unknown> | undefined {
    let notYet: NotYet<unknown> | undefined;
    try {
      notYet = waiter.tryToGo();
    } catch (error) {
      // A strategy of the app may throw: the error is that call's.
      waiter.reject(error as Error);
    }
    if (notYet !== undefined) return notYet;
    this.drain.gone(this.now());
    this.line.serve(waiter);
    this.end(waiter, 'served');
    return undefined;
  }

  private leave(waiter: Waiter, outcome: QueueOutcome): void {
    this.line.remove(waiter);
    this.end(waiter, outcome);
    if (this.line.size === 0) this.stopTimer();
  }

  private end({ call, queueClass, enteredAtMs }: Waiter, outcome: QueueOutcome): void {
    const waitedMs = this.now() - enteredAtMs;
    call.cancellation.active = undefined;
    call.waitedMs += waitedMs;
    this.counts.left(queueClass, outcome, waitedMs);
  }

  private refusal(refusal: QueueRefusal, { model }: QueuedCall): CallQueueError {
    return new CallQueueError(refusal, model, this.drain.retryAfterMs(this.line.size + 1, this.now()));
  }

  private wakeAt(atMs: number): void {
    if (atMs >= this.timerAtMs) return;
    clearTimeout(this.timer);
    this.timerAtMs = atMs;
    this.timer = setTimeout(() => this.onTimer(), Math.max(1, atMs - this.now()));
  }

  private onTimer(): void {
    this.timerAtMs = Infinity;
    this.pass();
    const nowMs = this.now();
    for (const waiter of [...this.line]) {
      if (waiter.untilMs > nowMs) {
        this.wakeAt(waiter.untilMs);
        continue;
      }
      this.leave(waiter, 'timeout');
      waiter.reject(this.refusal('queue_timeout', waiter.call));
    }
  }

  private stopTimer(): void {
    clearTimeout(this.timer);
    this.timerAtMs = Infinity;
  }
}

/** Whether a call cannot go within the time that it may wait. */
function isInVain({ mayBeSooner, retryAfterMs = 0 }: NotYet<unknown>, waitMs: number): boolean {
  return !mayBeSooner && retryAfterMs > waitMs;
}

function isNotYet<R, F>(result: R | NotYet<F>): result is NotYet<F> {
  return typeof result === 'object' && result !== null && (result as Partial<NotYet<F>>).isNotYet === true;
}
