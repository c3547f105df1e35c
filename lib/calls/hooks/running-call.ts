import { randomUUID } from 'node:crypto';
import type { Fields } from '../../common/objects.js';
import type { AttemptStart, CallOutcome, ObservedAttempt, ObservedCall } from '../../common/call-observer.js';
import { CallDeniedError } from '../../common/http-errors.js';
import type { Principal } from '../../http/principal.js';
import { RequestContext } from '../../http/request-context.js';
import type { CallRequest } from '../call-request.js';
import { errorCodeOf } from '../failure.js';
import type { BuiltInHook } from './built-in-hook.js';
import type { AttemptEnd, CallEnd, HookedCall, ModelCallHook } from './call-hook.js';
import { HookFault, type GuardMethod, type InstalledHook } from './installed-hook.js';

/** Facts about a call that never change while it runs. */
export type CallIdentity = Pick<CallRequest, 'operation' | 'model' | 'stream' | 'startedAtMs' | 'options'>;

/** One call with its hooks: the data that they see, and the hooks to notify. */
export class RunningCall implements ObservedCall {
  readonly view: HookedCall;
  /** As the hooks so far have left it. */
  body: Fields;
  private wasAnswered = false;
  private attempts = 0;
  private last: AttemptStart | undefined = undefined;
  private timeToFirstTokenMs: number | undefined = undefined;
  private readonly attemptEnds: AttemptEnd[] = [];
  /** When its answer was complete: failed attempts may be drained for longer. */
  private answeredAtMs: number | undefined = undefined;

  constructor(
    readonly hooks: readonly InstalledHook[],
    private readonly asked: CallIdentity,
    body: Fields,
  ) {
    this.body = body;
    this.view = new CallView(this, asked);
  }

  /** Whether a hook reads or changes content. */
  get takesPartInContent(): boolean {
    return this.hooks.some((hook) => hook.takesPartInContent);
  }

  /** Whether one of them runs guardrails, and reads which ones the request selects. */
  get hasGuardrails(): boolean {
    return this.hooks.some((hook) => hook.has('applied'));
  }

  /** The hooks with a method. */
  with(method: keyof BuiltInHook): readonly InstalledHook[] {
    return this.hooks.filter((hook) => hook.has(method, this.view));
  }

  /**
   * Refuses the call if a guard cannot read it.
   * @param reason why not; `undefined`: it can
   * @throws CallHookFailedError if such a guard fails closed
   */
  refuseUnreadable(method: GuardMethod, reason: string | undefined): void {
    if (reason === undefined) return;
    for (const hook of this.with(method)) hook.unguarded(method, new HookFault(reason), undefined);
  }

  /** A stream has no whole answer: a guard of those has to guard texts, too. */
  refuseStreams(): void {
    const reason = 'onAnswer cannot read a stream, and there is no onText';
    for (const hook of this.with('onAnswer')) if (!hook.has('onText')) hook.unguarded('onAnswer', new HookFault(reason), undefined);
  }

  /** From here on the call counts as answered by a hook. */
  answered(): void {
    this.wasAnswered = true;
  }

  attempt(start: AttemptStart): ObservedAttempt {
    this.attempts++;
    this.last = start;
    if (this.hooks.some((hook) => hook.has('onAttempt'))) {
      Object.freeze(start);
      this.observe('onAttempt', (hook) => hook.onAttempt?.(this.view, start));
    }
    return new RunningAttempt(this, start);
  }

  firstChunk(): void {
    this.timeToFirstTokenMs = performance.now() - this.asked.startedAtMs;
  }

  attemptEnded({ number, deploymentId, provider, model, fallbackGroup }: AttemptStart, told: CallOutcome, durationMs: number): void {
    const { error, cancelled, status, inputTokens, outputTokens, costUsd } = told;
    if (error === undefined) this.answeredAtMs = performance.now();
    this.attemptEnds[number - 1] = Object.freeze({
      outcome: cancelled === true ? 'cancelled' : error === undefined ? 'succeeded' : 'failed',
      deploymentId,
      provider,
      upstreamModel: model,
      group: fallbackGroup ?? this.asked.model,
      status,
      errorCode: error === undefined ? undefined : errorCodeOf(error),
      inputTokens,
      outputTokens,
      costUsd,
      durationMs,
    });
  }

  ended(outcome: CallOutcome): void {
    const end = this.endOf(outcome);
    this.observe('onEnd', (hook) => hook.onEnd?.(this.view, end));
  }

  /** Tells the hooks with a method that only observes. */
  observe(method: keyof ModelCallHook, run: (hook: ModelCallHook) => unknown): void {
    for (const hook of this.hooks) if (hook.has(method)) hook.observe(method, run);
  }

  private endOf(told: CallOutcome): CallEnd {
    const { last, attempts, timeToFirstTokenMs } = this;
    const { error, cancelled } = told;
    const failed = error instanceof CallDeniedError ? 'denied' : error !== undefined ? 'failed' : undefined;
    // Fields are listed by name, because a spread takes a microsecond.
    const end: Writable<CallEnd> = {
      outcome: cancelled === true ? 'cancelled' : (failed ?? (this.wasAnswered ? 'answered' : 'succeeded')),
      status: told.status,
      inputTokens: told.inputTokens,
      outputTokens: told.outputTokens,
      cacheReadTokens: told.cacheReadTokens,
      reasoningTokens: told.reasoningTokens,
      responseModel: told.responseModel,
      responseId: told.responseId,
      finishReasons: told.finishReasons,
      costUsd: told.costUsd,
      retries: told.retries,
      fallbacks: told.fallbacks,
      durationMs: ((error === undefined ? this.answeredAtMs : undefined) ?? performance.now()) - this.asked.startedAtMs,
      attempts,
      attemptEnds: Object.freeze(this.attemptEnds),
    };
    if (error !== undefined) end.error = error;
    if (timeToFirstTokenMs !== undefined) end.timeToFirstTokenMs = timeToFirstTokenMs;
    if (last !== undefined) {
      end.deploymentId = last.deploymentId;
      end.provider = last.provider;
      end.upstreamModel = last.model;
    }
    return Object.freeze(end);
  }
}

/** An attempt, for hooks that observe its start. */
class RunningAttempt implements ObservedAttempt {
  private readonly startedAtMs = performance.now();

  constructor(
    private readonly call: RunningCall,
    private readonly start: AttemptStart,
  ) {}

  run<T>(send: () => T): T {
    return send();
  }

  firstChunk(): void {
    this.call.firstChunk();
  }

  ended(outcome: CallOutcome): void {
    this.call.attemptEnded(this.start, outcome, performance.now() - this.startedAtMs);
  }
}

type Writable<T> = { -readonly [Field in keyof T]: T[Field] };

/**
 * The view of a call for hooks. Frozen, because all hooks share it and must not influence each
 * other.
 */
class CallView {
  /** One function for all calls: own accessors would give each object an own hidden class. */
  private static readonly bodyProperty: PropertyDescriptor & ThisType<CallView> = {
    enumerable: true,
    get() {
      return this.#running.body;
    },
  };
  readonly id = randomUUID();
  readonly operation: string;
  readonly model: string;
  readonly stream: boolean;
  readonly startedAt = new Date();
  declare readonly body: Fields;
  declare readonly request?: object;
  declare readonly principal?: Principal;
  readonly #running: RunningCall;

  constructor(running: RunningCall, { operation, model, stream, options: { request } }: CallIdentity) {
    this.operation = operation;
    this.model = model;
    this.stream = stream;
    this.#running = running;
    const principal = request && RequestContext.principalOf(request);
    if (request !== undefined) this.request = request;
    if (principal !== undefined) this.principal = principal;
    Object.freeze(Object.defineProperty(this, 'body', CallView.bodyProperty));
  }
}
