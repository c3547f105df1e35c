import { randomUUID } from 'node:crypto';
import type { CallObserver, CallOutcome } from '../common/call-observer.js';
import { InvalidArgumentError } from '../common/errors.js';
import { ContextWindowExceededError, ModelNotAllowedError, NoDeploymentError, RateLimitExceededError } from '../common/http-errors.js';
import type { LogSink } from '../common/log-sink.js';
import { usdOf } from '../common/nano-usd.js';
import { ProviderError, type ProviderFailureKind } from '../common/provider-error.js';
import type { CallRecorder, CallSeries } from '../common/recorder.js';
import type { AnswerUsage } from '../http/answer-usage.js';
import { ExpectedOutputs } from '../http/token-estimate/expected-output.js';
import type { AnswerCost } from './answer/answer-cost.js';
import { describeFailedCall } from './answer/failed-call.js';
import type { Attempt, AttemptSettlement } from './attempt.js';
import type { Call, CallEnd } from './call.js';
import { CallObservers } from './call-observers.js';
import type { SettledRouter } from './call-router.js';
import { isDenial, routerReport, type Failure } from './failure.js';
import { FailureLog } from './failure-log.js';
import type { ClientSpend } from './client-spend.js';
import type { WatchedCall } from './attempt-observer.js';

/** Totals over all calls of a client. */
export class CallCounts {
  succeeded = 0;
  failed = 0;
  cancelled = 0;
  /** By a limit, a budget or a hook. */
  denied = 0;
  /** For an error of the caller, which no deployment would have answered. */
  refused = 0;
  attempts = 0;
  retries = 0;
  fallbacks = 0;
  inFlight = 0;
  /** Calls answered after a deployment failed, by the kind of the first failure. */
  readonly recovered = new Map<ProviderFailureKind, number>();
}

const COMPONENT = 'llm_client';
/** Their output is not text whose tokens could be estimated. */
const WITHOUT_ESTIMATE: ReadonlySet<string> = new Set(['images', 'audio']);
/** The key of the usual output of a model, which is kept for all callers together. */
const ALL_CALLERS = '';
const NO_USAGE: AnswerUsage = { promptTokens: 0, completionTokens: 0, totalTokens: 0 };
const NO_TOKENS = { promptTokens: 0, completionTokens: 0 };

/** Facts that the monitor records about a finished call. */
interface RecordedEnd {
  /** Absent after a failure. */
  readonly succeededAtMs?: number;
  readonly usage: AnswerUsage | undefined;
}

/** Receivers of a settlement. */
export interface SettlementContext {
  readonly router: SettledRouter;
  readonly spend: ClientSpend;
  readonly recorder: CallRecorder;
  readonly observer: CallObserver | undefined;
  readonly log: LogSink;
  /** Receives the prompt tokens that a provider reports for a body. */
  readonly learnPrompt: (body: object, promptTokens: number) => void;
}

/**
 * Settles attempts and calls as they end, whole answers and streams alike: charges what they have
 * used to the limits and budgets of their requests, and reports it to the router, the monitor,
 * observers and metrics. The one place that does; `RequestHold` settles the budgets themselves once
 * the request has ended.
 */
export class CallSettlement implements AttemptSettlement {
  readonly counts = new CallCounts();
  readonly observers: CallObservers;
  readonly spend: ClientSpend;
  /** Receives how long calls take at their deployments. */
  queue: { served(durationMs: number): void } | undefined = undefined;
  /** Failed attempts whose answers are still read; each keeps its hold. */
  readonly draining = new Set<Attempt>();
  private readonly outputs = new ExpectedOutputs();
  private readonly reasonings = new ExpectedOutputs();
  private readonly failures: FailureLog;
  private readonly firstChunks: CallSeries;
  private readonly series = new Map<string, CallSeries>();
  private readonly router: SettledRouter;

  constructor(private readonly context: SettlementContext) {
    const { router, spend, recorder, observer, log } = context;
    this.router = router;
    this.spend = spend;
    this.observers = new CallObservers(log);
    this.failures = new FailureLog(log);
    if (observer !== undefined) this.observers.add(observer);
    this.firstChunks = recorder.series(COMPONENT, 'first_chunk');
  }

  callStarted(call: Call): void {
    const { observers, spend } = this;
    const { operation, model, stream } = call.asked;
    this.counts.inFlight++;
    call.request?.hold.beginCall();
    if (observers.list.length > 0) call.observed = observers.started({ operation, model, stream, maxTokens: call.maxTokens }, call);
    if (!spend.isPrepared) spend.prepare(model);
  }

  attemptStarted(attempt: Attempt, observed: WatchedCall): void {
    const { call, number, model, selection } = attempt;
    const { deployment, group } = selection;
    const { api_base: base } = deployment.params;
    const start = {
      number,
      deploymentId: deployment.id,
      model,
      provider: deployment.provider,
      endpoint: typeof base === 'string' ? base : undefined,
      fallbackGroup: group === call.asked.model ? undefined : group,
    };
    attempt.observed = observed.attempt(start, attempt);
  }

  firstChunk({ firstChunkAtMs = NaN, startedAtMs, observed, selection }: Attempt): void {
    this.router.answering(selection);
    this.firstChunks.record(firstChunkAtMs - startedAtMs);
    observed?.firstChunk();
  }

  /** The answer is complete. */
  succeeded(attempt: Attempt): void {
    const { call, selection, usage, hold, startedAtMs, firstChunkAtMs, endedAtMs } = attempt;
    const known = usage ?? attempt.estimatedUsage;
    const cost = known && attempt.costOf(known);
    this.queue?.served(endedAtMs - startedAtMs);
    this.router.succeeded(selection, {
      latencyMs: endedAtMs - startedAtMs,
      timeToFirstTokenMs: firstChunkAtMs === undefined ? undefined : firstChunkAtMs - startedAtMs,
      promptTokens: known?.promptTokens,
      completionTokens: known?.completionTokens,
      usageDetails: known?.details,
      costUsd: cost && usdOf(cost.nanoUsd),
    });
    // Without a usage, the attempt's whole hold counts.
    if (known === undefined) call.request?.hold.settle(hold, hold?.nanoUsd);
    else this.settle(attempt, known, cost, usage === undefined && WITHOUT_ESTIMATE.has(call.asked.operation));
    if (usage !== undefined) this.learn(attempt, usage);
    attempt.observed?.ended(outcomeOf(usage, { costUsd: cost && usdOf(cost.nanoUsd), status: 200 }));
    this.answered(attempt, usage);
  }

  /** Answered without a provider: the deployment was not used, and the call cost nothing. */
  mocked(attempt: Attempt): void {
    const { call, selection, hold, observed } = attempt;
    this.router.release(selection);
    call.request?.hold.release(hold);
    observed?.ended(outcomeOf(NO_USAGE, { costUsd: 0, status: 200 }));
    this.answered(attempt, NO_USAGE);
  }

  /** The call ends with the answer of an attempt. */
  private answered(attempt: Attempt, usage: AnswerUsage | undefined): void {
    const { call, endedAtMs } = attempt;
    if (!this.end(call, 'succeeded', { succeededAtMs: endedAtMs, usage })) return;
    if (call.deploymentFailure !== undefined) this.recovered(call.deploymentFailure, attempt);
    // Without a usage, the cost of the answer is unknown, so the whole reservation stays charged.
    call.end({ answer: { tokens: usage?.totalTokens }, outcome: () => outcomeOf(usage, totalsOf(call)) });
  }

  private recovered({ error, reason }: Failure, { call, selection }: Attempt): void {
    const { recovered } = this.counts;
    const cause = reason?.kind ?? 'server';
    recovered.set(cause, (recovered.get(cause) ?? 0) + 1);
    this.failures.addAnswered(call, error, selection.deployment.id);
  }

  usualOutput(group: string): number {
    return this.outputs.median(ALL_CALLERS, group) ?? 0;
  }

  /** 0 for a group whose answers never reported any. */
  usualReasoning(group: string): number | undefined {
    return this.reasonings.median(ALL_CALLERS, group) ?? (this.outputs.knows(ALL_CALLERS, group) ? 0 : undefined);
  }

  /** Learns how long answers and prompts of a model group are. */
  private learn({ call, selection: { group } }: Attempt, { promptTokens, completionTokens, details }: AnswerUsage): void {
    const { facts, counted } = call.asked;
    const { choices } = facts.output;
    const tokens = completionTokens / choices;
    call.request?.hold.learnOutput(group, tokens);
    this.outputs.learn(ALL_CALLERS, group, tokens);
    const reasoning = details?.reasoningTokens ?? 0;
    if (reasoning > 0 || this.reasonings.knows(ALL_CALLERS, group)) this.reasonings.learn(ALL_CALLERS, group, reasoning / choices);
    // A fallback can have another model and prompt, and hooks can have changed this prompt.
    if (counted !== undefined && call.fallbacks === 0 && call.guards === undefined) this.context.learnPrompt(counted, promptTokens);
  }

  attemptFailed(attempt: Attempt, failure: Failure): void {
    const { call, selection } = attempt;
    const { error, reason } = failure;
    // An estimate while the answer is drained, so that the router avoids the deployment at once.
    if (failure.countsAgainstDeployment) this.router.failed(selection, { ...routerReport(failure), ...routerUsage(attempt) });
    else if (failure.isUnsent) {
      this.router.release(selection);
      call.unsent++;
    } else if (attempt.drain === undefined) this.router.cancelled(selection, routerUsage(attempt));
    if (failure.isCallers) call.callersError = error;
    if (failure.countsAgainstDeployment) call.deploymentFailure ??= failure;
    describeFailedCall(error, { deploymentId: selection.deployment.id, group: selection.group });
    if (reason !== undefined) {
      const { deployment, group } = selection;
      call.failures = [...call.failures, { deploymentId: deployment.id, group, kind: reason.kind, status: reason.status }];
    }
    if (attempt.drain !== undefined) this.draining.add(attempt);
    else this.settleFailed(attempt, failure);
  }

  drained(attempt: Attempt, failure: Failure): void {
    const { call } = attempt;
    this.draining.delete(attempt);
    // The attempt used a slot of the deployment until now.
    if (!failure.countsAgainstDeployment) this.router.cancelled(attempt.selection, routerUsage(attempt));
    this.settleFailed(attempt, failure);
    call.draining--;
    call.end();
  }

  private settleFailed(attempt: Attempt, { error, fault }: Failure): void {
    const { call, usage, used: lost } = attempt;
    let costUsd: number | undefined;
    if (lost === undefined) call.request?.hold.release(attempt.hold);
    else {
      // The reservation for an uncounted prompt stays charged, and covers the received part of its
      // answer.
      const isUncounted = usage === undefined && attempt.promptTokens === undefined;
      if (isUncounted) call.hasUncountedLoss = true;
      else call.lostTokens += lost.totalTokens;
      const cost = attempt.costOf(lost);
      this.settle(attempt, lost, cost, isUncounted || (usage === undefined && WITHOUT_ESTIMATE.has(call.asked.operation)));
      costUsd = cost && usdOf(cost.nanoUsd);
    }
    const status = error instanceof ProviderError ? error.providerStatus : undefined;
    attempt.observed?.ended({ ...outcomeOf(lost, { costUsd, status }), error, cancelled: fault === 'cancelled' });
  }

  streamBroke(attempt: Attempt, failure: Failure): void {
    this.attemptFailed(attempt, failure);
    this.callFailed(attempt.call, failure.error, attempt);
  }

  /** The call ends without a complete answer. @param broken the attempt whose stream broke */
  callFailed(call: Call, error: unknown, broken?: Attempt): void {
    const isCancelled = call.cancellation.isByCaller;
    const outcome = isCancelled ? 'cancelled' : isDenial(error) ? 'denied' : isRefusal(call, error) ? 'refused' : 'failed';
    if (!this.end(call, outcome, outcome === 'failed' ? { usage: broken?.used } : undefined)) return;
    if (outcome === 'denied' && error instanceof RateLimitExceededError) call.request?.hold.countDenial(error);
    const { retries, fallbacks, isRetryDenied } = call;
    describeFailedCall(error, { id: call.id ?? randomUUID(), retries, fallbacks, isRetryDenied, guardrails: call.guards?.applied });
    if (outcome === 'failed') this.failures.add(call, error);
    const cause = isCancelled ? { cancelled: true } : { error };
    call.end({ outcome: () => ({ ...outcomeOf(broken?.used, totalsOf(call)), ...cause }) });
  }

  /** A hook has answered the call: no deployment was asked, and it used nothing. */
  answeredByHook(call: Call): void {
    if (!this.end(call, 'succeeded', undefined)) return;
    call.end({ answer: { tokens: 0 }, outcome: () => ({ costUsd: 0, retries: 0, fallbacks: 0 }) });
  }

  /**
   * Replaces the hold of an attempt with its cost, and adds the cost to the spend.
   * @param coversHold whether at least the whole hold counts
   */
  private settle(attempt: Attempt, used: AnswerUsage, cost: AnswerCost | undefined, coversHold: boolean): void {
    const { call, selection, hold } = attempt;
    const nano = cost?.nanoUsd;
    call.request?.hold.settle(hold, coversHold && hold !== undefined ? Math.max(hold.nanoUsd, nano ?? 0) : nano);
    call.nanoUsd += nano ?? NaN;
    const { group, deployment } = selection;
    const labels = { group, provider: deployment.provider, team: call.principal?.team };
    this.spend.charge(used, cost, { labels, provider: attempt.provider, isEstimated: attempt.usage === undefined });
    if (attempt.hasInvalidCost) this.spend.reportedCosts.ignore(attempt.provider);
  }

  /** Counts the end of a call. `false` if it has ended before. */
  private end(call: Call, outcome: CallEnd, recorded: RecordedEnd | undefined): boolean {
    if (call.isOver) return false;
    call.isOver = true;
    const { counts } = this;
    counts[outcome]++;
    counts.inFlight--;
    counts.attempts += call.attempts - call.unsent;
    counts.retries += call.retries;
    counts.fallbacks += call.fallbacks;
    call.cancellation.dispose();
    if (recorded === undefined) return true;
    const { operation, startedAtMs, promptTokens } = call.asked;
    const { succeededAtMs, usage } = recorded;
    let series = this.series.get(operation);
    if (series === undefined) this.series.set(operation, (series = this.context.recorder.series(COMPONENT, operation)));
    const endedAtMs = succeededAtMs ?? performance.now();
    series.record(endedAtMs - startedAtMs, succeededAtMs !== undefined, usage?.promptTokens ?? promptTokens, usage?.completionTokens);
    return true;
  }
}

/** The usage of a failed attempt, for the router. */
function routerUsage(attempt: Attempt) {
  const { used } = attempt;
  const cost = used && attempt.costOf(used);
  return { ...(used ?? NO_TOKENS), usageDetails: used?.details, costUsd: cost && usdOf(cost.nanoUsd) };
}

/** Whether the caller has to change the request: no deployment has failed. */
function isRefusal(call: Call, error: unknown): boolean {
  if (error instanceof NoDeploymentError) return error.reason === 'unknown_model' || error.reason === 'tags';
  const isOfRequest =
    error instanceof InvalidArgumentError || error instanceof ModelNotAllowedError || error instanceof ContextWindowExceededError;
  return isOfRequest || (error !== undefined && error === call.callersError);
}

/** Usage in the words of observers. A spread would take a microsecond of each call with a hook. */
function outcomeOf(
  usage: AnswerUsage | undefined,
  { status, costUsd, retries, fallbacks }: Pick<CallOutcome, 'status' | 'costUsd' | 'retries' | 'fallbacks'>,
): CallOutcome {
  return {
    status,
    inputTokens: usage?.promptTokens,
    outputTokens: usage?.completionTokens,
    cacheReadTokens: usage?.details?.cacheReadTokens,
    reasoningTokens: usage?.details?.reasoningTokens,
    costUsd,
    retries,
    fallbacks,
  };
}

function totalsOf({ nanoUsd, retries, fallbacks }: Call): Pick<CallOutcome, 'costUsd' | 'retries' | 'fallbacks'> {
  return { costUsd: Number.isNaN(nanoUsd) ? undefined : usdOf(nanoUsd), retries, fallbacks };
}
