import type { CallObserver, CallOutcome, ObservedCall } from '../../common/call-observer.js';
import type { CallSeries } from '../../common/recorder.js';
import type { CallCancellation } from './cancellation.js';
import type { RouterPick } from './call-router.js';
import type { CallSpending } from './spending.js';
import { estimate } from './attempt-error.js';
import type { CallFacts } from '../answer/llm-answer.js';
import type { LlmCall } from './llm-call.js';
import type { OpenAttempt } from './attempt-reporter.js';
import { CallFailure } from './provider-failure.js';
import { RequestContext } from '../../http/request-context.js';
import type { AnswerUsage } from '../../http/answer-usage.js';

/** What all calls of a client have come to. */
export class CallCounts {
  succeeded = 0;
  failed = 0;
  cancelled = 0;
  attempts = 0;
  retries = 0;
  fallbacks = 0;
  inFlight = 0;
}

/**
 * What a call knows of itself when it begins. A class, as everything here that leads to the request: objects that are written as literals may be allocated
 * as old, once V8 has seen many of them live on, and then keep what they refer to.
 */
export class OpenCallFacts {
  constructor(
    readonly operation: string,
    readonly model: string,
    readonly stream: boolean,
    readonly maxTokens: number | undefined,
    readonly promptTokens: number | undefined,
    /** The HTTP request whose reserved tokens it settles. */
    readonly request: object | undefined,
  ) {}
}

/** Whom a call reports to. */
export interface CallAudience {
  readonly counts: CallCounts;
  readonly spending: CallSpending;
  readonly series: CallSeries;
  /** Times from sending to the first chunk of a stream. */
  readonly firstChunks: CallSeries;
  readonly observer: CallObserver | undefined;
}

/** A call from its beginning to its end, of a stream the end of the stream: tells all who count, once. */
export class OpenCall {
  startedAtMs = performance.now();
  /** Spent waiting for the pool and for providers. */
  upstreamMs = 0;
  /** Tokens of attempts without an answer whose prompt was sent. */
  private lostTokens = 0;
  /** Whether a prompt was sent that nobody has counted. */
  private hasLostUncounted = false;
  readonly observed: ObservedCall | undefined;
  private readonly request: RequestContext | undefined;
  private call: LlmCall<unknown> | undefined = undefined;
  private isOver = false;

  constructor(
    readonly facts: OpenCallFacts,
    readonly cancellation: CallCancellation,
    private readonly audience: CallAudience,
  ) {
    const { operation, model, stream, maxTokens, request } = facts;
    this.request = request === undefined ? undefined : RequestContext.of(request);
    this.request?.beginCall();
    this.observed = audience.observer?.started({ operation, model, stream, maxTokens });
    audience.counts.inFlight++;
  }

  /** Runs the call. What it rejects with is reported; its success is reported by whoever knows when it is over. */
  async run<R>(call: LlmCall<R>): Promise<R> {
    this.call = call;
    try {
      const outcome = await call.run();
      if (!(outcome instanceof CallFailure)) return outcome;
      throw outcome.error;
    } catch (error) {
      this.failed(error);
      throw error;
    }
  }

  /** How the answer came about that is there now. */
  answeredBy({ deployment, group }: RouterPick, model: string, providerRequestId?: string, nowMs = performance.now()): CallFacts {
    const durationMs = nowMs - this.startedAtMs;
    const { attempts = 1, retries = 0, fallbacks = 0, waitedMs = 0, failures = [] } = this.call ?? {};
    const { id: deploymentId, provider } = deployment;
    return {
      deploymentId,
      provider,
      group,
      model,
      attempts,
      retries,
      fallbacks,
      failures,
      durationMs,
      overheadMs: Math.max(0, durationMs - this.upstreamMs - waitedMs),
      providerRequestId,
    };
  }

  firstChunk(afterMs: number): void {
    this.audience.firstChunks.record(afterMs);
  }

  /** Tokens of a prompt: the client's own count, else that of the request's guard. */
  get promptTokens(): number | undefined {
    return this.facts.promptTokens ?? this.request?.prompt?.tokens;
  }

  /** An attempt has given no answer, and its prompt was sent: it costs that, and what came of an answer. */
  lost({ pick, promptTokens }: OpenAttempt, answerTokens: number): AnswerUsage {
    const usage = estimate(promptTokens ?? 0, answerTokens);
    this.hasLostUncounted ||= promptTokens === undefined;
    this.lostTokens += usage.totalTokens;
    this.audience.spending.add(pick, usage, true);
    return usage;
  }

  /** @param estimated where its provider has not told */
  succeeded(usage: AnswerUsage | undefined, nowMs: number, estimated?: AnswerUsage): void {
    if (!this.end('succeeded')) return;
    this.report(usage, estimated);
    // What an answer without a usage has cost is not known: all that was reserved stands.
    this.settle(usage?.totalTokens);
    this.record(true, usage, nowMs);
    this.observed?.ended(outcomeOf(usage));
  }

  /** @param reported of what had come of a stream that broke; `estimated`: where its provider has not told */
  failed(error: unknown, reported?: AnswerUsage, estimated?: AnswerUsage): void {
    if (this.cancellation.error !== undefined) return this.cancelled(reported, estimated);
    if (!this.end('failed')) return;
    const usage = reported ?? estimated;
    this.report(reported, estimated);
    this.settle(usage?.totalTokens ?? this.unanswered);
    this.record(false, usage, performance.now());
    this.observed?.ended({ ...outcomeOf(usage), error });
  }

  /** The caller has gone. `usage`: of what had come by then. */
  cancelled(reported: AnswerUsage | undefined, estimated?: AnswerUsage): void {
    if (!this.end('cancelled')) return;
    const usage = reported ?? estimated;
    this.report(reported, estimated);
    this.settle(usage?.totalTokens ?? this.unanswered);
    this.observed?.ended({ ...outcomeOf(usage), cancelled: true });
  }

  private end(how: 'succeeded' | 'failed' | 'cancelled'): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    const { counts } = this.audience;
    counts[how]++;
    counts.inFlight--;
    if (this.call !== undefined) {
      counts.attempts += this.call.attempts;
      counts.retries += this.call.retries;
      counts.fallbacks += this.call.fallbacks;
    }
    this.cancellation.dispose();
    return true;
  }

  private record(ok: boolean, usage: AnswerUsage | undefined, nowMs: number): void {
    this.audience.series.record(nowMs - this.startedAtMs, ok, usage?.promptTokens ?? this.facts.promptTokens, usage?.completionTokens);
  }

  private report(reported: AnswerUsage | undefined, estimated: AnswerUsage | undefined): void {
    const usage = reported ?? estimated;
    if (usage !== undefined && this.call?.pick !== undefined) this.audience.spending.add(this.call.pick, usage, reported === undefined);
  }

  /** Tokens of the answer of a call that has none: what the lost attempts have used is all, where there are any. */
  private get unanswered(): number | undefined {
    return this.lostTokens > 0 && !this.hasLostUncounted ? 0 : undefined;
  }

  private settle(tokens: number | undefined): void {
    this.request?.endCall(tokens, { tokens: this.lostTokens, isUncounted: this.hasLostUncounted });
  }
}

/** Usage, in the words of observers. */
export function outcomeOf(usage: AnswerUsage | undefined): CallOutcome {
  if (usage === undefined) return {};
  const { promptTokens, completionTokens, details } = usage;
  return {
    inputTokens: promptTokens,
    outputTokens: completionTokens,
    cacheReadTokens: details?.cacheReadTokens,
    reasoningTokens: details?.reasoningTokens,
  };
}
