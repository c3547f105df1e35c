import type { ObservedAttempt } from '../../common/call-observer.js';
import { FastLiteLLMError } from '../../common/errors.js';
import { ProviderError } from '../../common/provider-error.js';
import type { CallRouter, RouterPick } from './call-router.js';
import { AttemptError, CallersMistake } from './attempt-error.js';
import { outcomeOf, type OpenCall } from './call-reporter.js';
import { failureOf, reportOf } from './provider-failure.js';
import { upstreamModel } from '../providers/resolution.js';
import type { AnswerUsage } from '../../http/answer-usage.js';

/** One attempt from sending to the end of its answer: tells the router and the observers of its success, or of what became of its stream. */
export class OpenAttempt {
  readonly startedAtMs = performance.now();
  /** As the provider knows it. */
  readonly model: string;
  private readonly observed: ObservedAttempt | undefined;
  /** Of the prompt that it sends: a fallback may have another one. */
  promptTokens: number | undefined;
  private sentAtMs: number;
  private firstChunkAtMs: number | undefined = undefined;

  constructor(
    readonly open: OpenCall,
    readonly pick: RouterPick,
    private readonly router: CallRouter,
    number: number,
  ) {
    const { deployment, group } = pick;
    this.promptTokens = open.promptTokens;
    this.sentAtMs = this.startedAtMs;
    this.model = upstreamModel(pick.model, deployment.params.custom_llm_provider);
    const { api_base: base } = deployment.params;
    this.observed = open.observed?.attempt({
      number,
      deploymentId: deployment.id,
      model: this.model,
      provider: deployment.provider,
      endpoint: typeof base === 'string' ? base : undefined,
      fallbackGroup: group === open.facts.model ? undefined : group,
    });
  }

  get isObserved(): boolean {
    return this.observed !== undefined;
  }

  /** Sends, so that observers see what it starts. */
  run<T>(send: () => T): T {
    return this.observed === undefined ? send() : this.observed.run(send);
  }

  /** The request is handed over: what follows is the time of the pool and of the provider. */
  sending(): void {
    this.sentAtMs = performance.now();
  }

  /** The answer, or its first chunk, is there. */
  answered(nowMs = performance.now()): void {
    this.open.upstreamMs += nowMs - this.sentAtMs;
  }

  firstChunk(): void {
    const nowMs = performance.now();
    this.firstChunkAtMs = nowMs;
    this.open.firstChunk(nowMs - this.startedAtMs);
    this.answered(nowMs);
    this.observed?.firstChunk();
  }

  /**
   * It failed before there was an answer: the call decides what is next, and tells the router.
   * @param answerTokens of what came after the prompt had left, unless the provider answered with an error; `undefined`: the attempt costs nothing
   * @param isOverByCaller as `AttemptError` has it
   */
  refused(thrown: unknown, answerTokens: number | undefined, isOverByCaller = false): AttemptError {
    this.answered();
    const error = thrown instanceof CallersMistake ? thrown.error : thrown;
    const status = error instanceof ProviderError ? error.providerStatus : undefined;
    const usage = answerTokens === undefined ? undefined : this.open.lost(this, answerTokens);
    this.observed?.ended({ ...outcomeOf(usage), error, status, cancelled: this.open.cancellation.error !== undefined });
    return new AttemptError(thrown, usage, isOverByCaller);
  }

  /** @param estimated for the router, where the provider has not told: a deployment that keeps it to itself is neither slow nor unused */
  succeeded(usage: AnswerUsage | undefined, nowMs = performance.now(), estimated?: AnswerUsage): void {
    const { startedAtMs, firstChunkAtMs } = this;
    const routed = usage ?? estimated;
    this.router.succeeded(this.pick, {
      latencyMs: nowMs - startedAtMs,
      timeToFirstTokenMs: firstChunkAtMs === undefined ? undefined : firstChunkAtMs - startedAtMs,
      promptTokens: routed?.promptTokens,
      completionTokens: routed?.completionTokens,
      usageDetails: routed?.details,
    });
    this.observed?.ended({ ...outcomeOf(usage), status: 200 });
    this.open.succeeded(usage, nowMs, estimated);
  }

  /** A stream ended before its end. `reported`: what its provider had told by then; `estimated`: by what had come. */
  broke(error: unknown, reported: AnswerUsage | undefined, estimated: AnswerUsage, isOverByCaller = false): void {
    const usage = reported ?? estimated;
    const used = { ...usage, usageDetails: usage.details };
    if (this.open.cancellation.error !== undefined) {
      this.router.cancelled(this.pick, used);
      this.observed?.ended({ ...outcomeOf(usage), cancelled: true });
      this.open.cancelled(reported, estimated);
      return;
    }
    const thrown = error instanceof CallersMistake ? error.error : error;
    // What the caller has done, or this package, is not the deployment's fault.
    if (isOverByCaller || thrown !== error || thrown instanceof FastLiteLLMError) this.router.cancelled(this.pick, used);
    else {
      const failure = failureOf(thrown, Date.now());
      this.router.failed(this.pick, { ...(failure === undefined ? { error: thrown } : reportOf(failure)), ...used });
    }
    this.observed?.ended({ ...outcomeOf(usage), error: thrown });
    this.open.failed(thrown, reported, estimated);
  }
}
