import { BudgetExceededError, UnsupportedRequestError } from '../common/http-errors.js';
import { ProviderError } from '../common/provider-error.js';
import { holdCost, type PricedAttempt } from './attempt-hold.js';
import { Attempt, type Sender } from './attempt.js';
import type { Call, CallSettings, CallTarget } from './call.js';
import { Failure } from './failure.js';
import type { CallsPerKey } from './calls-per-key.js';
import { FallbackPlan } from './fallback-plan.js';
import { PriorityTiers } from './priority-tiers.js';
import type { Deployment, Selection } from './call-router.js';
import type { CallReporter } from './reporter.js';
import { retriesAllowed, retryWaitMs, type RetryBudget } from './retry.js';
import { WaitingSelection, type Tried, type WaitingSettings } from './waiting-selection.js';

/** What the calls of a client share, besides their settings. */
export interface ClientContext extends CallSettings {
  readonly reporter: CallReporter;
  readonly retryBudget: RetryBudget;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Most tokens that a model answers with; `null`: unknown. */
  readonly maxOutputOf: (model: string) => number | null;
  readonly longestAnswerOf: (model: string) => number | null;
  /** Where calls wait for deployments; `undefined`: they do not. */
  readonly waiting: WaitingSettings | undefined;
  readonly callsPerKey: CallsPerKey;
}

/**
 * Runs one call: retries within the priority tier, then the next tiers of the model group with
 * retries of their own, then the group's fallbacks by the same rules, each once. In the end it
 * throws the first group's failure unchanged, or one from which the client can recover.
 */
export class CallPipeline<R> {
  private plan: FallbackPlan | undefined = undefined;
  private readonly waiting: WaitingSelection | undefined;
  /** The refusal of a deployment that would accept the request in another form. */
  private recovery: UnsupportedRequestError | undefined = undefined;

  constructor(
    private readonly client: ClientContext,
    private readonly call: Call,
    private readonly sender: Sender<R>,
  ) {
    this.waiting = client.waiting === undefined ? undefined : new WaitingSelection(call, client.waiting);
  }

  private get fallbacks(): FallbackPlan {
    return (this.plan ??= new FallbackPlan(this.client.router, this.call));
  }

  /** Resolves with the answer, or with a stream once its first chunk is there. */
  async run(): Promise<R> {
    const { call, client, sender } = this;
    client.retryBudget.deposit();
    client.reporter.callStarted(call);
    try {
      call.release = client.callsPerKey.begin(call.principal);
      if (sender.prepare !== undefined) {
        const answer = await call.cancellation.until(sender.prepare(call));
        if (answer !== undefined) {
          client.reporter.answeredByHook(call);
          return answer;
        }
      }
      const { asked, context } = call;
      let target: CallTarget | undefined = { model: asked.model, inputTokens: context.inputTokens };
      while (target !== undefined) {
        const outcome: R | Failure = await this.tryGroup(target);
        if (!(outcome instanceof Failure)) return outcome;
        target = await this.fallbacks.next(target, outcome, sender);
      }
      throw this.failure;
    } catch (thrown) {
      const error = sender.guardFailure === undefined ? thrown : await sender.guardFailure(thrown);
      if (call.callersError === thrown) call.callersError = error;
      client.reporter.callFailed(call, error);
      throw error;
    }
  }

  private get failure(): Error {
    const first = this.fallbacks.firstFailure?.error as Error;
    const isRecoverable = first instanceof ProviderError && first.error.details !== undefined;
    return isRecoverable ? first : (this.recovery ?? first);
  }

  /** Tries the priority tiers of a model group, lowest `order` first. A failure is the last one. */
  private async tryGroup(target: CallTarget): Promise<R | Failure> {
    const { call, client, sender } = this;
    const tiers = new PriorityTiers(client.router, call.context, target);
    let last: Failure | undefined;
    do {
      for (let retry = 0; ; retry++) {
        if (last !== undefined && call.isSpent) return last;
        const { waiting } = this;
        const selection =
          waiting === undefined ? tiers.select() : (waiting.atOnce(tiers) ?? (await this.selectInTurn(waiting, { tiers, target, last })));
        if (selection instanceof Failure) {
          last ??= selection;
          if (tiers.isUntried) return last;
          break;
        }
        const attempt = new Attempt(call, selection, target, client);
        client.reporter.attemptStarted(attempt);
        try {
          if (call.request?.hold.holdsMoney === true) {
            attempt.hold = call.heldAhead ?? (await holdCost(attempt, client.maxOutputOf));
            call.heldAhead = undefined;
          }
          const answer = await sender.send(attempt);
          if (!call.stream) attempt.succeed();
          return answer;
        } catch (thrown) {
          last = attempt.fail(thrown);
          if (last.reason === undefined) throw last.error;
          if (thrown instanceof UnsupportedRequestError && thrown.details !== undefined) this.recovery = thrown;
        }
        tiers.failed(selection, last);
        const waitMs = this.retryWaitMs(attempt, last, retry);
        if (waitMs === undefined) break;
        if (waitMs > 0) {
          const beforeMs = performance.now();
          await call.cancellation.wait(waitMs);
          call.waitedMs += performance.now() - beforeMs;
        }
        if (!last.isUnsent) call.retries++;
      }
    } while (this.fallbacks.allowsNextTier(target.model, last) && tiers.next());
    return last;
  }

  /**
   * Selects when the call's turn has come, and when no call in flight holds the money that it
   * needs.
   */
  private async selectInTurn(waiting: WaitingSelection, tried: Omit<Tried, 'hasFallback'>): Promise<Selection | Failure> {
    const { call, client } = this;
    const hasFallback = (): boolean => this.fallbacks.hasNext(tried.target.model);
    const beforeMs = performance.now();
    try {
      for (;;) {
        const selection = await waiting.select({ ...tried, hasFallback });
        if (selection instanceof Failure || call.request?.hold.holdsMoney !== true) return selection;
        const priced = { call, selection, target: tried.target, promptTokens: tried.target.inputTokens ?? call.promptTokens };
        const denial = await this.holdAhead(priced);
        if (denial === undefined) return selection;
        // Others may use the deployment meanwhile.
        client.router.unused(selection);
        const late = await waiting.waitForBudget(denial);
        if (late !== undefined) return late;
      }
    } finally {
      call.waitedMs += performance.now() - beforeMs;
    }
  }

  /**
   * Holds the cost of an attempt before it begins. Returns the denial of a budget that calls in
   * flight hold; any other is left to the attempt.
   */
  private async holdAhead(priced: PricedAttempt): Promise<BudgetExceededError | undefined> {
    const { call, client } = this;
    try {
      call.heldAhead = await holdCost(priced, client.maxOutputOf);
    } catch (error) {
      if (error instanceof BudgetExceededError && error.reason === 'budget_held') return error;
    }
    return undefined;
  }

  /** How long to wait before the next retry within the priority tier; `undefined`: none is made. */
  private retryWaitMs({ selection, target }: Attempt, { isUnfit, reason }: Failure, retry: number): number | undefined {
    const { call, client } = this;
    const { router, retryBudget, now, random } = client;
    const { deployment } = selection;
    // As in LiteLLM, a deployment that is called by its id is called once.
    if (reason === undefined || isCalledById(target, deployment)) return undefined;
    const healthy = router.healthyCount(target.model, call.context);
    const healthyOthers = router.healthyCount(target.model, { ...call.context, excludeIds: [deployment.id] });
    // Nothing was sent: another deployment is no retry.
    if (isUnfit && healthyOthers > 0) return 0;
    const { retryPolicy, modelGroupRetryPolicy: ofGroups } = router.settings;
    const policy = Object.hasOwn(ofGroups, target.model) ? ofGroups[target.model] : retryPolicy;
    const isPolicyHeeded = deployment.numRetries === undefined;
    // After a 429 of all deployments the queue waits for the first of them, unless there is a
    // fallback.
    const waits = this.waiting !== undefined && reason.kind === 'rate_limit' && !this.fallbacks.hasNext(target.model);
    const facts = {
      ...reason,
      healthy: waits ? Math.max(1, healthy) : healthy,
      healthyOthers,
      numRetries: call.retriesOn(deployment),
      policy: isPolicyHeeded ? policy : undefined,
    };
    if (retry >= retriesAllowed(facts)) return undefined;
    const waitMs = retryWaitMs(
      retry,
      { healthyOthers, retryAfterMs: reason.retryAfterMs, leastMs: router.settings.retryAfterMs },
      random(),
    );
    // A fallback answers sooner than a provider that sent `Retry-After`.
    if (waitMs > 0 && reason.retryAfterMs !== undefined && this.fallbacks.hasHealthy(target.model)) return undefined;
    if (!call.hasTimeFor(waitMs)) return undefined;
    if (retryBudget.withdraw(now())) return waitMs;
    call.isRetryDenied = true;
    return undefined;
  }
}

function isCalledById({ model }: CallTarget, { id, modelName }: Deployment): boolean {
  return model === id && modelName !== model;
}
