import { CallQueueError, type QueueRefusal } from '../common/http-errors.js';
import { SILENT_RECORDER, type CallRecorder } from '../common/recorder.js';
import { QUEUE_CLASSES, type QueueClass } from './queue-class.js';
import { ServingOrder, type Classed } from './serving-order.js';
import { QueueCounts, type QueueClassStatus, type QueueOutcome, type QueueStatus } from './queue-metrics.js';

/** How many calls wait, and for how long. */
export interface QueueBounds {
  readonly maxCalls: number;
  readonly maxPromptTokens: number;
  readonly maxCallsPerTenant: number;
  readonly maxWaitMs: number;
}

/** Dependencies of a queue. */
export interface QueueContext {
  /** Milliseconds, of a clock that never steps. */
  readonly now: () => number;
  /** Capability that the waiting times are recorded under. */
  readonly component: string;
  readonly recorder?: CallRecorder;
  /**
   * Interval in ms at which calls check whether another thread or process has freed capacity
   * without reporting it. Default 250; `Infinity`: never.
   */
  readonly pollMs?: number;
}

type MaybePromise<T> = T | Promise<T>;

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
  /** Prompt and longest answer; for budgets micro-USD. Tenants share by it. */
  readonly costTokens: number;
  /** Until its deadline, in milliseconds. */
  readonly leftMs: number;
  /** How long it has waited so far. */
  waitedMs: number;
  /** Read where the call has to wait. */
  readonly cancellation: QueueCancellation;
}

/** Tells that the caller has left. */
export interface QueueCancellation {
  readonly error: Error | undefined;
  /** Operation in flight, which the cancellation aborts. */
  active: { abort(error: Error): void } | undefined;
}

/** The call cannot go now. */
export interface NotYet<F> {
  readonly isNotYet: true;
  /** Error of the call if waiting cannot help. */
  readonly failure: F;
  /** Until it may go; `undefined` if an event decides. */
  readonly retryAfterMs: number | undefined;
  /** Whether it may proceed earlier, because a call in flight can free capacity. */
  readonly mayBeSooner: boolean;
  /** Whether a call with fewer tokens might go. */
  readonly dependsOnTokens: boolean;
}

/** Conditions that a call waits for. */
export interface Wanted<R, F> {
  /** Calls of one lane need the same: where one cannot go, no other can. */
  readonly lane: unknown;
  /** Where a call of the same group waits, this one goes after it. Default: the lane. */
  readonly group?: unknown;
  readonly tryToGo: () => MaybePromise<R | NotYet<F>>;
  /**
   * Releases the selection of a call that has left the queue. Required if `tryToGo` is
   * asynchronous.
   */
  readonly giveBack?: (result: R) => void;
}

/** A call in the queue. */
interface Waiter extends Classed {
  readonly lane: unknown;
  readonly group: unknown;
  readonly enteredAtMs: number;
  readonly untilMs: number;
  readonly call: QueuedCall;
  /** `undefined`: it has gone. */
  readonly tryToGo: () => MaybePromise<NotYet<unknown> | undefined>;
  isGone: boolean;
  readonly reject: (error: Error) => void;
}

const POLL_MS = 250;
const LARGEST_SIZE = 1e15;

/** Tokens that a call needs. */
type Size = Pick<Waiter, 'promptTokens' | 'costTokens'>;
const ANY_SIZE: Size = { promptTokens: 0, costTokens: 0 };

/** Lanes in which no call of at least this size can leave until something changes. */
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

  forget(concerns?: (lane: unknown) => boolean): void {
    if (concerns === undefined) this.sizes.clear();
    else for (const lane of this.sizes.keys()) if (concerns(lane)) this.sizes.delete(lane);
  }
}

/** A call whose turn it is, and whose answer comes later. */
interface Asking {
  readonly waiter: Waiter;
  /** Whether something has changed since it was asked. */
  isStale: boolean;
}

/** Calls and service times that are remembered. */
const REMEMBERED = 64;
/** Older ones say nothing about the rate of now. */
const WINDOW_MS = 60_000;

const SHORTEST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/** Measures how fast waiting calls leave, and how long calls take at their deployments. */
class Drain {
  private readonly goneAtMs: number[] = [];
  private readonly serviceMs: number[] = [];
  private served = 0;

  /** A waiting call has got its deployment. */
  gone(nowMs: number): void {
    this.goneAtMs.push(nowMs);
    if (this.goneAtMs.length > REMEMBERED) this.goneAtMs.shift();
  }

  /** An attempt has succeeded after this time. */
  ended(durationMs: number): void {
    this.serviceMs[this.served++ % REMEMBERED] = durationMs;
  }

  /** Calls that leave for a deployment, per second; 0 if none did in the last minute. */
  perSecond(nowMs: number): number {
    const recent = this.goneAtMs.filter((atMs) => nowMs - atMs < WINDOW_MS);
    if (recent.length === 0) return 0;
    // A single call has no rate, so it counts as one per second.
    return recent.length / Math.max(1, (nowMs - recent[0]) / 1000);
  }

  /** Median of the last service times; 0 without any. */
  get medianServiceMs(): number {
    const { serviceMs } = this;
    return serviceMs.length === 0 ? 0 : [...serviceMs].sort((a, b) => a - b)[serviceMs.length >> 1];
  }

  /** When `waiting` calls will be gone at the rate of now: 1 to 60 s, to the second. */
  retryAfterMs(waiting: number, nowMs: number): number {
    const rate = this.perSecond(nowMs);
    if (rate === 0) return LONGEST_RETRY_MS;
    const waitMs = Math.ceil(waiting / rate) * 1000;
    return Math.min(Math.max(waitMs, SHORTEST_RETRY_MS), LONGEST_RETRY_MS);
  }
}

/**
 * Calls that wait until a deployment can take them, or until a budget has money for them. Events
 * wake the queue: a released deployment, a settlement, the end of a window. One timer serves all
 * calls.
 */
export class CallQueue {
  readonly counts: QueueCounts;
  private readonly order = new ServingOrder<Waiter>();
  private readonly drain = new Drain();
  private readonly blocked = new BlockedLanes();
  /** By lane: one call of a lane is asked about at a time. */
  private readonly asking = new Map<unknown, Asking>();
  /** Waiting calls by group. */
  private readonly groups = new Map<unknown, number>();
  private readonly now: () => number;
  private readonly pollMs: number;
  private timer: NodeJS.Timeout | undefined = undefined;
  private timerAtMs = Infinity;
  private isScheduled = false;
  /** Events so far. */
  private wakes = 0;

  constructor(
    private readonly bounds: QueueBounds,
    { now, component, recorder = SILENT_RECORDER, pollMs = POLL_MS }: QueueContext,
  ) {
    this.now = now;
    this.pollMs = pollMs;
    this.counts = new QueueCounts(recorder, component);
  }

  get length(): number {
    return this.order.size;
  }

  /**
   * Lets a call proceed at once, or when its turn comes. Returns a `NotYet` if waiting would be
   * useless. Not `async`: a call that need not wait continues in the same turn.
   * @throws CallQueueError when the queue is full, or the call has waited its time
   * @throws RequestCancelledError if the call is cancelled while it waits
   */
  go<R, F>(call: QueuedCall, wanted: Wanted<R, F>): MaybePromise<R | NotYet<F>> {
    // Others that wait for the same deployments go first.
    if (this.groups.has(wanted.group ?? wanted.lane)) return this.wait(call, wanted);
    const { wakes } = this;
    const result = wanted.tryToGo();
    if (!(result instanceof Promise)) return isNotYet(result) ? this.wait(call, wanted, result) : result;
    return result.then((known) => (isNotYet(known) ? this.wait(call, wanted, known, wakes !== this.wakes) : known));
  }

  /** Whether a call of this size and tenant could wait, if it had to. */
  hasRoomFor({ place: { tenant }, promptTokens }: Pick<QueuedCall, 'place' | 'promptTokens'>): boolean {
    const { maxCalls, maxPromptTokens, maxCallsPerTenant } = this.bounds;
    const { order } = this;
    return order.size < maxCalls && order.promptTokens + promptTokens <= maxPromptTokens && order.sizeOf(tenant) < maxCallsPerTenant;
  }

  /**
   * Something may be free: lets calls go, once for all events of this turn.
   * @param concerns The lanes that it may be free for. Default: all.
   */
  wake(concerns?: (lane: unknown) => boolean): void {
    this.wakes++;
    if (this.order.size === 0) return;
    this.blocked.forget(concerns);
    for (const [lane, asking] of this.asking) if (concerns === undefined || concerns(lane)) asking.isStale = true;
    this.schedule();
  }

  /** An attempt has succeeded after this time. */
  served(durationMs: number): void {
    this.drain.ended(durationMs);
  }

  status(): QueueStatus {
    const nowMs = this.now();
    const figures = QUEUE_CLASSES.map((name) => {
      const { size, oldest } = this.order.of(name);
      return [name, { length: size, oldestMs: oldest === undefined ? 0 : nowMs - oldest.enteredAtMs }] as const;
    });
    return {
      length: this.order.size,
      most: this.bounds.maxCalls,
      promptTokens: this.order.promptTokens,
      refused: this.counts.total('full'),
      late: this.counts.total('timeout'),
      byClass: Object.fromEntries(figures) as Record<QueueClass, QueueClassStatus>,
      drainPerSecond: this.drain.perSecond(nowMs),
    };
  }

  /** @param isStale whether `known` may be otherwise by now */
  private wait<R, F>(call: QueuedCall, wanted: Wanted<R, F>, known?: NotYet<F>, isStale = false): NotYet<F> | Promise<R | NotYet<F>> {
    const nowMs = this.now();
    const waitMs = Math.min(this.bounds.maxWaitMs - call.waitedMs, call.leftMs - this.drain.medianServiceMs);
    if (known !== undefined && isInVain(known, waitMs)) return known;
    if (call.cancellation.error !== undefined) throw call.cancellation.error;
    if (waitMs <= 0) throw this.refusal('queue_timeout', call);
    const { lane, group = lane, tryToGo, giveBack } = wanted;
    const untilMs = nowMs + waitMs;
    return new Promise((resolve, reject) => {
      const { place } = call;
      const take = (result: R | NotYet<F>): NotYet<F> | undefined => {
        if (isNotYet(result) && !isInVain(result, untilMs - this.now())) return result;
        if (waiter.isGone && !isNotYet(result)) giveBack?.(result);
        resolve(result);
        return undefined;
      };
      const waiter: Waiter = {
        ...place,
        promptTokens: sizeOf(call.promptTokens),
        costTokens: sizeOf(call.costTokens),
        lane,
        group,
        enteredAtMs: nowMs,
        untilMs,
        call,
        isGone: false,
        reject,
        tryToGo: () => {
          const result = tryToGo();
          return result instanceof Promise ? result.then(take) : take(result);
        },
      };
      this.makeRoom(waiter);
      this.enter(waiter);
      if (known !== undefined && !isStale) this.wakeAt(nowMs + this.retryMs(known));
      // It may need what those before it do not.
      else this.schedule();
    });
  }

  private enter(waiter: Waiter): void {
    const { call, group, untilMs, reject } = waiter;
    this.order.add(waiter);
    this.groups.set(group, (this.groups.get(group) ?? 0) + 1);
    call.cancellation.active = {
      abort: (error) => {
        this.leave(waiter, 'cancelled');
        reject(error);
      },
    };
    this.wakeAt(untilMs);
  }

  /** @throws CallQueueError if the call does not fit, or takes the place of less urgent ones. */
  private makeRoom(waiter: Waiter): void {
    const { maxCalls, maxPromptTokens, maxCallsPerTenant } = this.bounds;
    const isTenantFull = this.order.sizeOf(waiter.tenant) >= maxCallsPerTenant;
    const victims = isTenantFull
      ? this.victimsInTenant(waiter)
      : this.order.victimsFor(waiter, { calls: maxCalls, promptTokens: maxPromptTokens });
    if (victims === undefined) {
      this.counts.left(waiter.queueClass, 'full', 0);
      throw this.refusal('queue_full', waiter.call);
    }
    for (const victim of victims) {
      this.leave(victim, 'full');
      victim.reject(this.refusal('queue_full', victim.call));
    }
  }

  private victimsInTenant(waiter: Waiter): readonly Waiter[] | undefined {
    const victim = this.order.victimInTenant(waiter, this.bounds.maxCallsPerTenant);
    if (victim === undefined) return undefined;
    const promptTokens = this.order.promptTokens - victim.promptTokens + waiter.promptTokens;
    return promptTokens <= this.bounds.maxPromptTokens ? [victim] : undefined;
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    queueMicrotask(() => {
      this.isScheduled = false;
      this.pass();
    });
  }

  /** Admits every call that can be admitted, in serving order. */
  private pass(): void {
    const isBlocked = (waiter: Waiter): boolean => this.asking.has(waiter.lane) || this.blocked.has(waiter);
    for (let next = this.order.next(isBlocked); next !== undefined; next = this.order.next(isBlocked)) this.ask(next);
  }

  private ask(waiter: Waiter): void {
    // The app's strategy can throw; the error belongs to that call.
    const failed = (error: unknown): undefined => waiter.reject(error as Error) as undefined;
    let answer: MaybePromise<NotYet<unknown> | undefined>;
    try {
      answer = waiter.tryToGo();
    } catch (error) {
      answer = failed(error);
    }
    if (!(answer instanceof Promise)) return this.answered(waiter, answer);
    const asking: Asking = { waiter, isStale: false };
    this.asking.set(waiter.lane, asking);
    void answer.catch(failed).then((notYet) => {
      this.asking.delete(waiter.lane);
      this.answered(waiter, notYet, asking.isStale);
      this.schedule();
    });
  }

  /** @param isStale whether it may be otherwise by now */
  private answered(waiter: Waiter, notYet: NotYet<unknown> | undefined, isStale = false): void {
    if (waiter.isGone) return;
    if (notYet === undefined) {
      this.drain.gone(this.now());
      this.order.serve(waiter);
      this.end(waiter, 'served');
    } else if (waiter.untilMs <= this.now()) this.expire(waiter);
    else if (!isStale) {
      this.blocked.add(waiter, notYet.dependsOnTokens);
      this.wakeAt(this.now() + this.retryMs(notYet));
    }
  }

  private expire(waiter: Waiter): void {
    this.leave(waiter, 'timeout');
    waiter.reject(this.refusal('queue_timeout', waiter.call));
  }

  private leave(waiter: Waiter, outcome: QueueOutcome): void {
    if (waiter.isGone) return;
    this.order.remove(waiter);
    this.end(waiter, outcome);
  }

  private end(waiter: Waiter, outcome: QueueOutcome): void {
    const { call, group, queueClass, enteredAtMs } = waiter;
    waiter.isGone = true;
    const others = (this.groups.get(group) ?? 1) - 1;
    if (others === 0) this.groups.delete(group);
    else this.groups.set(group, others);
    const waitedMs = this.now() - enteredAtMs;
    call.cancellation.active = undefined;
    call.waitedMs += waitedMs;
    this.counts.left(queueClass, outcome, waitedMs);
    if (this.order.size > 0) return;
    this.blocked.forget();
    clearTimeout(this.timer);
    this.timerAtMs = Infinity;
  }

  private refusal(refusal: QueueRefusal, { model }: QueuedCall): CallQueueError {
    return new CallQueueError(refusal, model, this.drain.retryAfterMs(this.order.size + 1, this.now()));
  }

  /** When to ask again without an event. */
  private retryMs({ retryAfterMs = Infinity, mayBeSooner }: NotYet<unknown>): number {
    return mayBeSooner || retryAfterMs === Infinity ? Math.min(retryAfterMs, this.pollMs) : retryAfterMs;
  }

  private wakeAt(atMs: number): void {
    if (atMs >= this.timerAtMs) return;
    clearTimeout(this.timer);
    this.timerAtMs = atMs;
    this.timer = setTimeout(() => this.onTimer(), Math.max(1, atMs - this.now()));
  }

  private onTimer(): void {
    this.timerAtMs = Infinity;
    this.blocked.forget();
    this.pass();
    const nowMs = this.now();
    for (const waiter of [...this.order]) {
      if (waiter.untilMs > nowMs) this.wakeAt(waiter.untilMs);
      // Its answer is on the way, and decides.
      else if (this.asking.get(waiter.lane)?.waiter !== waiter) this.expire(waiter);
    }
  }
}

/** A size that sums and comparisons survive. */
function sizeOf(tokens: number): number {
  return tokens > 0 ? Math.min(tokens, LARGEST_SIZE) : 0;
}

/** Whether a call cannot go within the time that it may wait. */
function isInVain({ mayBeSooner, retryAfterMs = 0 }: NotYet<unknown>, waitMs: number): boolean {
  return !mayBeSooner && retryAfterMs > waitMs;
}

function isNotYet<R, F>(result: R | NotYet<F>): result is NotYet<F> {
  return typeof result === 'object' && result !== null && (result as Partial<NotYet<F>>).isNotYet === true;
}
