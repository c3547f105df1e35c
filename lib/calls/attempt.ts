import type { ObservedAttempt } from '../common/call-observer.js';
import { ProviderError } from '../common/provider-error.js';
import { completedUsage, inputUsage, limitedUsage, pictureUsage, type AnswerUsage, type StatedUsage } from '../http/answer-usage.js';
import { usdOf } from '../common/nano-usd.js';
import { billedTier } from '../http/token-estimate/requested-tier.js';
import { answerCost, reportedCost, tierOfAttempt, type AnswerCost } from './answer/answer-cost.js';
import type { CallFacts } from './answer/call-facts.js';
import { upstreamModel } from '../providers/endpoint/resolution.js';
import type { Call, CallTarget } from './call.js';
import { abandon, type AbandonedExchange, type AttemptDrain } from './attempt-drain.js';
import { modelOutput, WITHOUT_OUTPUT, type MaxOutputOf, type OutputHold } from './budget-hold.js';
import { namedBaseModel } from '../router/deployments/deployment.js';
import type { TriedDeployments } from '../router/selection/tried-deployments.js';
import type { Selection } from './call-router.js';
import { AttemptTimer, type AttemptTimes, type AwaitedPart, type CallCancellation } from './cancellation.js';
import { judge, type Failure, type JudgedAttempt } from './failure.js';
import { kindOfCode } from '../providers/failure-kind.js';

/** Output tokens that are held for a model whose limit is unknown. */
const DEFAULT_OUTPUT = 16_384;
/** Models that reason before they answer, and bill this reasoning without showing it. */
const HIDES_REASONING = /(?:^|[/.])(?:o[1-9](?:$|-)|gpt-5|gemini-(?:2\.5|[3-9])|grok-4)/;
/** Operations whose answers are text. */
const WITH_REPLY: ReadonlySet<string> = new Set(['chat', 'completions', 'messages', 'responses', 'generateContent']);

/** One request to a provider: by the connection pool, or by a function of the caller. */
export interface Exchange extends AbandonedExchange {
  /** Tokens of the text of an answer that has arrived. */
  readonly receivedTokens: number;
  /** Whether the answer shows the reasoning itself, so that none is hidden. */
  readonly showsReasoning?: boolean;
  /** Whether a whole answer was cut although its provider had finished it. */
  readonly isCut?: boolean;
  /** The usage found in a whole answer that cannot be parsed. */
  readonly usageInRest?: StatedUsage | undefined;
  /** The provider's id of the request. */
  readonly requestId?: string | undefined;
  /** The cost of a whole answer, as a header of LiteLLM's proxies states it. */
  readonly statedCost?: string | undefined;
}

/** Sends an attempt. Resolves when its answer, of a stream the first chunk, has arrived. */
export type SendAttempt<R = unknown> = (attempt: Attempt) => Promise<R>;

/** Earlier failures in the model group. */
export interface FailedAttempts {
  readonly last: Failure;
  readonly tried: TriedDeployments;
}

/**
 * A call, as one step of its layers sees it, and what its next attempt starts from. A layer that
 * calls `next` more than once gives each a view of its own (`with`), so that no two attempts share
 * anything that changes but the totals of the call.
 */
export class CallView {
  /** Money that was held for its attempt while the call waited. */
  heldAhead: OutputHold | undefined = undefined;

  constructor(
    readonly call: Call,
    readonly send: SendAttempt,
    readonly target: CallTarget = { model: call.asked.model, inputTokens: call.context.inputTokens },
    readonly cancellation: CallCancellation = call.cancellation,
    /** `undefined`: nothing has failed in this model group yet. */
    readonly after?: FailedAttempts,
  ) {}

  /** Another view of the call, which can be cancelled by itself. */
  with({ target = this.target, after }: { readonly target?: CallTarget; readonly after?: FailedAttempts }): CallView {
    return new CallView(this.call, this.send, target, this.cancellation.child(), after);
  }
}

/** Settles attempts as they end, and reports them. */
export interface AttemptSettlement {
  firstChunk(attempt: Attempt): void;
  succeeded(attempt: Attempt): void;
  /** Answered with a mock, without a provider. */
  mocked(attempt: Attempt): void;
  attemptFailed(attempt: Attempt, failure: Failure): void;
  /** A stream broke after its first chunk: the call ends with it. */
  streamBroke(attempt: Attempt, failure: Failure): void;
  /** A failed attempt has been read to its end, so its usage is final. */
  drained(attempt: Attempt, failure: Failure): void;
  /** Output tokens of each choice of a usual answer of a model group; 0 if none is known. */
  usualOutput(group: string): number;
  /** Reasoning tokens of a usual answer; `undefined` before the group's first answer. */
  usualReasoning(group: string): number | undefined;
}

/** Dependencies of attempts. */
export interface AttemptContext {
  readonly settlement: AttemptSettlement;
  /** Tokens that no answer of a model exceeds. */
  readonly longestAnswerOf: MaxOutputOf;
}

/** One attempt at one deployment, up to the end of its answer. */
export class Attempt implements JudgedAttempt {
  readonly startedAtMs = performance.now();
  readonly number: number;
  /** The provider's name of the model. */
  readonly model: string;
  readonly promptTokens: number | undefined;
  readonly times: AttemptTimes;
  provider: string;
  observed: ObservedAttempt | undefined = undefined;
  /** As the provider reported it; figures it left out are counted. */
  usage: AnswerUsage | undefined = undefined;
  /** Of a complete answer whose provider reported no usage. */
  estimatedUsage: AnswerUsage | undefined = undefined;
  private priced: { readonly usage: AnswerUsage; readonly cost: AnswerCost | undefined } | undefined = undefined;
  /** Whether the provider reports an invalid cost. */
  hasInvalidCost = false;
  /** The provider does not have the path or file that a forwarded request needs. */
  isNotThere = false;
  /** The provider does not have an object that the request names, such as a previous response. */
  isLost = false;
  /** Whether it fails because of a test field in its body. */
  isMocked = false;
  firstChunkAtMs: number | undefined = undefined;
  /** Money that budgets hold for it. */
  hold: OutputHold | undefined = undefined;
  /** Since then the pool and the provider are waited for. */
  sentAtMs: number | undefined = undefined;
  endedAtMs = NaN;
  private answeredAtMs: number | undefined = undefined;
  private arrivedAtMs: number | undefined = undefined;
  private isOver = false;
  /** Whether its answer is text of a model. */
  readonly hasReply: boolean;
  private readonly settlement: AttemptSettlement;
  private readonly longestAnswerOf: MaxOutputOf;
  private exchange: Exchange | undefined = undefined;
  private timer: AttemptTimer | undefined = undefined;
  /** Set while it has failed, and its answer is still read for the usage. */
  drain: AttemptDrain | undefined = undefined;
  private failure: Failure | undefined = undefined;
  private hasTimedOut = false;
  /** Whether it was drained to its usage, which is that of an answer. */
  private isComplete = false;
  private usedUp: AnswerUsage | undefined = undefined;

  readonly call: Call;
  readonly target: CallTarget;
  private readonly cancellation: CallCancellation;

  constructor(
    { call, target, cancellation }: CallView,
    readonly selection: Selection,
    { settlement, longestAnswerOf }: AttemptContext,
  ) {
    this.call = call;
    this.target = target;
    this.cancellation = cancellation;
    this.settlement = settlement;
    this.longestAnswerOf = longestAnswerOf;
    const { deployment, model } = selection;
    this.number = ++call.attempts;
    this.model = upstreamModel(model, deployment.params.custom_llm_provider);
    this.promptTokens = target.inputTokens ?? call.promptTokens;
    this.times = call.timesOn(deployment);
    this.provider = deployment.provider;
    this.hasReply = WITH_REPLY.has(call.asked.operation);
  }

  get cancelled(): Error | undefined {
    return this.cancellation.error;
  }

  get isOverCallersTime(): boolean {
    return this.timer?.isCallersLimit === true;
  }

  /**
   * From here on time limits and cancellation end `exchange`.
   * @throws RequestCancelledError
   */
  begin(exchange: Exchange): void {
    const { cancellation, call } = this;
    this.exchange = exchange;
    cancellation.active = call.drainMs === undefined ? exchange : { abort: (error) => abandon(this, exchange, error) };
    if (cancellation.error !== undefined) throw cancellation.error;
    this.timer ??= new AttemptTimer(this.times, this);
  }

  /** Takes the usage that the provider has reported. */
  report(stated: StatedUsage | undefined): void {
    const { promptTokens = 0, exchange } = this;
    const { operation } = this.call.asked;
    if (stated === undefined) this.usage = undefined;
    else if (operation === 'images') this.usage = pictureUsage(stated);
    else if (WITHOUT_OUTPUT.has(operation)) this.usage = inputUsage(stated);
    else if (!this.hasReply) this.usage = stated;
    else this.usage = completedUsage(stated, { promptTokens, receivedTokens: () => exchange?.receivedTokens ?? 0 });
  }

  /** The answer, or its first chunk, has arrived. */
  answered(nowMs = performance.now()): void {
    if (this.answeredAtMs !== undefined) return;
    this.answeredAtMs = nowMs;
    this.call.upstreamMs += nowMs - (this.sentAtMs ?? this.startedAtMs);
  }

  firstChunk(): void {
    const nowMs = performance.now();
    this.firstChunkAtMs = nowMs;
    this.answered(nowMs);
    this.timer?.firstChunk();
    this.settlement.firstChunk(this);
  }

  /** Its provider has sent the whole stream; hooks may still hold a part of it. */
  arrived(): void {
    this.arrivedAtMs = performance.now();
  }

  /** Its answer was abandoned, and read to its end. @param usage `undefined`: none was reported */
  drained(error: Error, usage: AnswerUsage | undefined): void {
    this.usedUp = undefined;
    this.isComplete = usage !== undefined;
    this.report(usage);
    this.settlement.drained(this, this.failure ?? judge(error, this));
  }

  timeOut(awaited: AwaitedPart): void {
    this.hasTimedOut = true;
    if (awaited === 'answer' && this.times.endsCall) this.call.isExpired = true;
    const { provider, selection, exchange } = this;
    const message = `The provider sent no ${awaited} within the time limit.`;
    const facts = { provider, deploymentId: selection.deployment.id, providerRequestId: exchange?.requestId };
    if (exchange !== undefined) abandon(this, exchange, new ProviderError({ kind: 'timeout', message, ...facts }));
  }

  /** The answer is complete: the attempt and its call end. */
  succeed(): void {
    if (this.end()) this.settlement.succeeded(this);
  }

  /** It was answered without its provider. */
  mocked(): void {
    if (this.end()) this.settlement.mocked(this);
  }

  /** The attempt failed before its answer. */
  fail(thrown: unknown): Failure {
    const failure = (this.failure = judge(thrown, this));
    if (this.usage === undefined) this.report(this.exchange?.usageInRest);
    if (this.end()) this.settlement.attemptFailed(this, failure);
    return failure;
  }

  /** Its stream broke after the first chunk, or the reader left it. */
  breakOff(thrown: unknown): void {
    if (this.times.byCaller.silence === true && this.timer !== undefined && kindOfCode(thrown) === 'timeout')
      this.timer.isCallersLimit = true;
    if (this.end()) this.settlement.streamBroke(this, (this.failure = judge(thrown, this)));
  }

  /**
   * Tokens that the attempt has used when it fails: its prompt, once that was sent, and what
   * arrived of an answer. An answer with an error status costs nothing.
   */
  get used(): AnswerUsage | undefined {
    return (this.usedUp ??= this.usedInFailure());
  }

  private usedInFailure(): AnswerUsage | undefined {
    const { exchange, firstChunkAtMs, failure } = this;
    const isUnused = exchange === undefined || (firstChunkAtMs === undefined && (!exchange.wasSent || exchange.isRefused));
    if (this.usage === undefined && isUnused) return undefined;
    const used = this.usage ?? this.estimate(Math.max(this.writtenOutput, this.unseenOutput));
    return failure?.countsAgainstDeployment === true && !this.isComplete ? this.withinHold(used) : used;
  }

  /** Limits the reported usage of a failed attempt to its hold. */
  private withinHold(used: AnswerUsage): AnswerUsage {
    const { promptTokens = used.promptTokens, call } = this;
    const completionTokens = this.outputLimit * call.asked.facts.output.choices;
    const totalTokens = promptTokens + completionTokens;
    const held = this.costOf({ promptTokens, completionTokens, totalTokens })?.nanoUsd ?? Infinity;
    // The count of a prompt can be an estimate: a usage whose sums fit is accepted.
    if (used.totalTokens <= totalTokens && (this.costOf(used)?.nanoUsd ?? 0) <= held) return used;
    const limited = limitedUsage(used, promptTokens, completionTokens);
    const { nanoUsd = 0, listNanoUsd = Infinity } = this.costOf(limited) ?? {};
    return nanoUsd > listNanoUsd ? { ...limited, stated: undefined } : limited;
  }

  /** Output if none is reported: the text that has arrived, and hidden reasoning. */
  private get writtenOutput(): number {
    const { exchange, hasReply, call, selection, cancelled, hasTimedOut, firstChunkAtMs } = this;
    if (exchange === undefined) return 0;
    const { receivedTokens } = exchange;
    // Before the first chunk, only an abandoned stream can have produced reasoning.
    const hasWritten = receivedTokens > 0 || firstChunkAtMs !== undefined || (call.stream && (cancelled !== undefined || hasTimedOut));
    if (!hasReply || !hasWritten || exchange.showsReasoning === true) return receivedTokens;
    const { choices } = call.asked.facts.output;
    const usual = this.settlement.usualReasoning(selection.group);
    if (usual !== undefined) return receivedTokens + usual * choices;
    const isHeld = HIDES_REASONING.test(namedBaseModel(selection.deployment) ?? this.model);
    return isHeld ? Math.max(receivedTokens, this.outputLimit * choices) : receivedTokens;
  }

  /** The most output tokens of each choice. */
  private get outputLimit(): number {
    const { maxTokens, facts, operation } = this.call.asked;
    const asked = facts.isUnlimited(operation) || facts.dropsLimit ? undefined : maxTokens;
    const most = modelOutput(this.selection, this.longestAnswerOf);
    return Math.min(this.hold?.mostOutput ?? asked ?? Infinity, most ?? (asked === undefined ? DEFAULT_OUTPUT : Infinity));
  }

  /** A provider finishes a whole answer even if its caller has abandoned it. */
  private get unseenOutput(): number {
    const { stream, facts } = this.call.asked;
    if (stream || (this.cancelled === undefined && !this.hasTimedOut && this.exchange?.isCut !== true)) return 0;
    return Math.min(this.settlement.usualOutput(this.selection.group), this.outputLimit) * facts.output.choices;
  }

  /** The usage of a complete answer whose provider reports none. */
  estimated(): AnswerUsage {
    return this.estimate(this.writtenOutput);
  }

  private estimate(output: number): AnswerUsage {
    const { promptTokens = 0, call, selection } = this;
    const { choices } = call.asked.facts.output;
    const completionTokens = Math.min(output, (modelOutput(selection, this.longestAnswerOf) ?? Infinity) * choices);
    return { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens };
  }

  /** How the answer came about. */
  facts(): CallFacts {
    const { attempts, retries, fallbacks, failures, asked, upstreamMs, waitedMs } = this.call;
    const { deployment, group } = this.selection;
    const durationMs = (this.answeredAtMs ?? performance.now()) - asked.startedAtMs;
    const cost = this.answerCost;
    const guardrails = this.call.guards?.applied;
    return {
      deploymentId: deployment.id,
      provider: deployment.provider,
      group,
      model: this.model,
      attempts,
      retries,
      fallbacks,
      failures,
      durationMs,
      overheadMs: Math.max(0, durationMs - upstreamMs - waitedMs),
      ...(cost !== undefined && { cost, costUsd: usdOf(cost.nanoUsd) }),
      providerRequestId: this.exchange?.requestId,
      ...(guardrails !== undefined && guardrails.length > 0 && { guardrails }),
    };
  }

  /** Cost of the answer, once its usage is known or its provider has reported the cost. */
  get answerCost(): AnswerCost | undefined {
    const usage = this.usage ?? (this.exchange?.statedCost === undefined ? undefined : this.estimatedUsage);
    return usage && this.costOf(usage);
  }

  /** Returns the cost of usage in this attempt; `undefined` without a known price. */
  costOf(usage: AnswerUsage): AnswerCost | undefined {
    if (this.priced?.usage === usage) return this.priced.cost;
    const { deployment, model } = this.selection;
    const reported = reportedCost(this.provider, usage.stated, this.exchange?.statedCost);
    // Prices are per whole token; counts reported by the app can be fractional.
    const tokens = [Math.round(usage.promptTokens), Math.round(usage.completionTokens)] as const;
    const serviceTier = billedTier(usage.serviceTier, tierOfAttempt(this));
    const priced = deployment.priced(...tokens, model, serviceTier === undefined ? usage.details : { ...usage.details, serviceTier });
    this.hasInvalidCost = reported === 'invalid';
    const cost = answerCost(priced, reported === 'invalid' ? undefined : reported);
    this.priced = { usage, cost };
    return cost;
  }

  /** `false` if it has already ended. */
  private end(): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    if (this.answeredAtMs === undefined) this.answered();
    this.endedAtMs = this.firstChunkAtMs === undefined ? (this.answeredAtMs as number) : (this.arrivedAtMs ?? performance.now());
    this.timer?.stop();
    this.cancellation.active = undefined;
    return true;
  }
}
