import { randomUUID } from 'node:crypto';
import type { AttemptStart, CallOutcome, ObservedAttempt, ObservedCall } from '../../common/call-observer.js';
import { CallDeniedError } from '../../common/http-errors.js';
import { RequestContext } from '../../http/request-context.js';
import type { CallEnd, HookedCall, ModelCallHook } from './call-hook.js';
import { HookFault, type GuardMethod, type InstalledHook } from './installed-hook.js';

type Fields = Readonly<Record<string, unknown>>;

/** What is known of a call before its hooks run. */
export interface CallIdentity {
  readonly operation: string;
  readonly model: string;
  readonly stream: boolean;
  readonly startedAtMs: number;
  readonly request?: object;
  readonly body: Fields;
}

/** One call with its hooks: what they see, and whom it tells. */
export class RunningCall implements ObservedCall {
  readonly view: HookedCall;
  /** As the hooks so far have left it. */
  body: Fields;
  private wasAnswered = false;
  private attempts = 0;
  private last: AttemptStart | undefined = undefined;
  private timeToFirstTokenMs: number | undefined = undefined;

  constructor(
    readonly hooks: readonly InstalledHook[],
    private readonly identity: CallIdentity,
  ) {
    const { operation, model, stream, request, body } = identity;
    this.body = body;
    const principal = request && RequestContext.principalOf(request);
    const bodyNow = (): Fields => this.body;
    // All hooks share it, and none may tell another one something else.
    this.view = Object.freeze({
      id: randomUUID(),
      operation,
      model,
      stream,
      get body() {
        return bodyNow();
      },
      ...(request !== undefined && { request }),
      ...(principal !== undefined && { principal }),
      startedAt: new Date(),
    });
  }

  /** The hooks with a method. */
  with(method: keyof ModelCallHook): readonly InstalledHook[] {
    return this.hooks.filter((hook) => hook.has(method));
  }

  /**
   * Refuses the call if a guard cannot read it.
   * @param reason why not; `undefined`: it can
   * @throws CallHookFailedError where such a guard fails closed
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
    Object.freeze(start);
    this.attempts++;
    this.last = start;
    this.observe('onAttempt', (hook) => hook.onAttempt?.(this.view, start));
    return {
      run: (send) => send(),
      firstChunk: () => void (this.timeToFirstTokenMs = performance.now() - this.identity.startedAtMs),
      ended: () => {},
    };
  }

  ended(outcome: CallOutcome): void {
    const end = this.endOf(outcome);
    this.observe('onEnd', (hook) => hook.onEnd?.(this.view, end));
  }

  /** Tells the hooks with a method that only observes. */
  observe(method: keyof ModelCallHook, run: (hook: ModelCallHook) => unknown): void {
    for (const hook of this.hooks) if (hook.has(method)) hook.observe(method, run);
  }

  private endOf({ cancelled, ...outcome }: CallOutcome): CallEnd {
    const { last, attempts, timeToFirstTokenMs } = this;
    const { error } = outcome;
    const isDenied = error instanceof CallDeniedError;
    const failed = isDenied ? 'denied' : error !== undefined ? 'failed' : undefined;
    return Object.freeze({
      ...outcome,
      outcome: cancelled === true ? 'cancelled' : (failed ?? (this.wasAnswered ? 'answered' : 'succeeded')),
      durationMs: performance.now() - this.identity.startedAtMs,
      ...(timeToFirstTokenMs !== undefined && { timeToFirstTokenMs }),
      attempts,
      ...(last !== undefined && { deploymentId: last.deploymentId, provider: last.provider, upstreamModel: last.model }),
    });
  }
}
