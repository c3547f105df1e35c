import { FastLiteLLMError } from '../../common/errors.js';
import { DeploymentMisconfiguredError } from '../../common/http-errors.js';
import type { ProviderFailureKind } from '../../common/provider-error.js';
import type { CallCancellation } from './cancellation.js';
import { AttemptError, CallersMistake } from './attempt-error.js';
import type { CallRouter, Deployment, FallbackTarget, RouterPick, RoutingContext } from './call-router.js';
import { CallFailure, failureOf, failureOfSelection, reportOf } from './provider-failure.js';
import { FailedAttempt, OpenTier } from './open-tier.js';
import type { RetryBudget } from './retry-budget.js';
import { retriesAllowed, retryWaitMs } from './retry-rules.js';

/** How far a call may go before it gives up. */
export interface CallLimits {
  /** Retries of each group, where no policy says otherwise. */
  readonly numRetries: number;
  /** Of these, what was asked for this call: a deployment's own `num_retries` can only lower it. */
  readonly askedRetries?: number;
  readonly maxFallbacks: number;
  /** Over all groups. */
  readonly maxAttempts: number;
  /** The least wait before a retry that waits. */
  readonly leastWaitMs: number;
  /** On `now()`: no attempt begins later. `Infinity`: no end. */
  readonly deadlineAtMs: number;
}

/** One attempt that failed. */
export interface AttemptFailure {
  readonly deploymentId: string;
  readonly group: string;
  readonly kind: ProviderFailureKind;
  readonly status?: number;
}

/** What a call is made of. */
export class CallPlan<R> {
  constructor(
    readonly model: string,
    readonly context: RoutingContext,
    readonly limits: CallLimits,
    readonly cancellation: CallCancellation,
    readonly chains: CallChains,
    /** Sends, and resolves when the answer (of a stream its first chunk) is there. On failure it leaves the pick to the call. */
    readonly attempt: (pick: RouterPick, attempt: number, target: CallTarget) => Promise<R>,
    /** Counts the prompt that a fallback sends in place of the request's. */
    readonly countPrompt: (overrides: Readonly<Record<string, unknown>>) => number | undefined | Promise<number> = () =>
      context.inputTokens,
  ) {}
}

/** A model group that a call turns to, and what the call sends there. */
export interface CallTarget extends FallbackTarget {
  readonly inputTokens: number | undefined;
}

/** What the router's settings, and the request, say of failures. */
export interface CallChains {
  /** Where to go when a group has failed so. @param asked the group that the call is for */
  fallbacks(group: string, kind: ProviderFailureKind, asked: string): readonly FallbackTarget[];
  /** Whether the tiers behind one that failed so are tried before the fallbacks. */
  triesNextTier(group: string, kind: ProviderFailureKind): boolean;
  /** `retry_policy` of a group, else of the router. */
  policy(group: string): Readonly<Record<string, unknown>> | undefined;
}

/** What all calls of a client share. */
export interface CallSurroundings {
  readonly router: CallRouter;
  readonly retryBudget: RetryBudget;
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
}

const NONE: readonly never[] = [];
const NO_TOKENS = { promptTokens: 0, completionTokens: 0 };

/**
 * One call: selects a deployment, sends, and decides after each failure what comes next. Retries within the priority tier, then the group's next `order`
 * with retries of its own, then the group's fallbacks, each with the same rules, and each once. When nothing is left, the first group's failure is thrown as it came.
 */
export class LlmCall<R> {
  attempts = 0;
  retries = 0;
  fallbacks = 0;
  /** Spent waiting before retries. */
  waitedMs = 0;
  /** Of the answer; of the last attempt where there is none. */
  pick: RouterPick | undefined = undefined;
  failures: readonly AttemptFailure[] = NONE;
  /** Model groups by name, and fallbacks that change the request, by themselves. */
  private tried: Set<string | object> | undefined = undefined;

  constructor(
    private readonly shared: CallSurroundings,
    private readonly plan: CallPlan<R>,
  ) {}

  /** Mostly the first attempt is the last: it takes none of the steps for what comes after a failure, each of which would be a promise more. */
  async run(): Promise<R | CallFailure> {
    const { model, context } = this.plan;
    const target: CallTarget = { model, inputTokens: context.inputTokens };
    const pick = this.acquire(target, NONE);
    if (pick instanceof CallFailure) return this.fallBack(target, 0, pick);
    let outcome: CallFailure;
    this.begin(pick);
    try {
      return await this.plan.attempt(pick, this.attempts, target);
    } catch (error) {
      outcome = this.failed(pick, error);
    }
    return this.group(target, 0, new FailedAttempt(pick, outcome));
  }

  private async group(target: CallTarget, depth: number, first?: FailedAttempt): Promise<R | CallFailure> {
    const outcome = await this.withinGroup(target, first);
    return outcome instanceof CallFailure ? this.fallBack(target, depth, outcome) : outcome;
  }

  private async fallBack(target: CallTarget, depth: number, outcome: CallFailure): Promise<R | CallFailure> {
    const { plan, shared } = this;
    const tried = (this.tried ??= new Set());
    tried.add(shared.router.knownName(target.model));
    if (depth >= plan.limits.maxFallbacks) return outcome;
    // As in LiteLLM, what a target changes holds for those behind it, too.
    let { overrides, inputTokens } = target;
    for (const next of plan.chains.fallbacks(target.model, outcome.kind, plan.model)) {
      const identity = next.overrides ?? shared.router.knownName(next.model);
      if (tried.has(identity)) continue;
      if (this.isSpent()) break;
      tried.add(identity);
      this.fallbacks++;
      if (next.overrides !== undefined) {
        overrides = { ...overrides, ...next.overrides };
        inputTokens = await plan.countPrompt(overrides);
      }
      const other = await this.group({ model: next.model, overrides, inputTokens }, depth + 1);
      if (!(other instanceof CallFailure)) return other;
    }
    return outcome;
  }

  /** Tier by tier: a tier is tried until its retries are used up, and the next one begins anew. */
  private async withinGroup(target: CallTarget, first?: FailedAttempt): Promise<R | CallFailure> {
    /** Deployments of tiers that are done. */
    let passed: readonly string[] = NONE;
    let given = first;
    let last: CallFailure | undefined;
    for (;;) {
      let tier: OpenTier | undefined;
      for (let retry = 0; ; retry++, given = undefined) {
        if (last !== undefined && this.isSpent()) return last;
        let failed = given;
        if (failed === undefined) {
          const pick = this.select(target, passed, tier);
          if (pick instanceof CallFailure) {
            if (tier === undefined) return last ?? pick;
            break;
          }
          const outcome = await this.attempt(pick, target);
          if (!(outcome instanceof CallFailure)) return outcome;
          failed = new FailedAttempt(pick, outcome);
        }
        tier ??= new OpenTier(failed.pick);
        tier.failed(failed);
        last = failed.failure;
        const decision = this.afterFailure(target.model, failed.pick.deployment, retry, last);
        if (decision === 'give up') break;
        await this.waitFor(decision);
        this.retries++;
      }
      given = undefined;
      const outcome = last as CallFailure;
      if (!this.plan.chains.triesNextTier(target.model, outcome.kind)) return outcome;
      const next = this.passOver(tier.pick, passed);
      if (next === undefined) return outcome;
      passed = next;
    }
  }

  private async waitFor(ms: number): Promise<void> {
    if (ms <= 0) return;
    const beforeMs = performance.now();
    await this.plan.cancellation.wait(ms);
    this.waitedMs += performance.now() - beforeMs;
  }

  /** How long to wait before the next retry. */
  private afterFailure(model: string, { id, numRetries }: Deployment, retry: number, failure: CallFailure): number | 'give up' {
    const { router, retryBudget, now, random } = this.shared;
    const { context, limits, chains } = this.plan;
    const { kind, status, retryAfterMs } = failure;
    const healthy = router.healthyCount(model, context);
    const healthyOthers = router.healthyCount(model, { ...context, excludeIds: [id] });
    const policy = numRetries === undefined ? chains.policy(model) : undefined;
    const most = Math.min(numRetries ?? limits.numRetries, limits.askedRetries ?? Infinity);
    const allowed = retriesAllowed({ kind, status, healthy, healthyOthers, numRetries: most, policy });
    // Nothing was sent: another deployment is no retry.
    if (failure.error instanceof DeploymentMisconfiguredError && healthyOthers > 0) return 0;
    if (retry >= allowed) return 'give up';
    const waitMs = retryWaitMs(retry, { healthyOthers, retryAfterMs, leastMs: limits.leastWaitMs }, random());
    if (now() + waitMs >= limits.deadlineAtMs || !retryBudget.withdraw(now())) return 'give up';
    return waitMs;
  }

  /** A deployment of the tier that has not failed yet, if there is any; else any of the tier; else, where all of it is out, any of the tiers behind it. */
  private select(target: CallTarget, passed: readonly string[], tier: OpenTier | undefined): RouterPick | CallFailure {
    if (tier !== undefined) {
      const { pick, tried, repeats } = tier;
      const outside = this.groupOf(pick).flatMap(({ id, order }) => (order === pick.deployment.order ? [] : [id]));
      const fresh = this.acquire(target, [...outside, ...tried]);
      if (!(fresh instanceof CallFailure) || !repeats) return fresh;
      const again = this.acquire(target, outside);
      if (!(again instanceof CallFailure)) return again;
    }
    return this.acquire(target, passed);
  }

  private acquire({ model, overrides, inputTokens }: CallTarget, excludeIds: readonly string[]): RouterPick | CallFailure {
    const { router } = this.shared;
    const { context } = this.plan;
    const asked = overrides === undefined ? context : { ...context, inputTokens };
    try {
      return router.acquire(
        model,
        excludeIds.length === 0 ? asked : { ...asked, excludeIds: [...(context.excludeIds ?? NONE), ...excludeIds] },
      );
    } catch (error) {
      const failure = failureOfSelection(error);
      if (failure === undefined) throw error;
      return failure;
    }
  }

  private async attempt(pick: RouterPick, target: CallTarget): Promise<R | CallFailure> {
    this.begin(pick);
    try {
      return await this.plan.attempt(pick, this.attempts, target);
    } catch (error) {
      return this.failed(pick, error);
    }
  }

  private begin(pick: RouterPick): void {
    this.attempts++;
    this.pick = pick;
  }

  /** Tells the router. @throws what was thrown, where no other attempt would be of use. */
  private failed(pick: RouterPick, thrown: unknown): CallFailure {
    const { router } = this.shared;
    const { cancellation } = this.plan;
    const { error, usage = undefined, isOverByCaller } = thrown instanceof AttemptError ? thrown : { error: thrown, isOverByCaller: false };
    const used = { ...(usage ?? NO_TOKENS), usageDetails: usage?.details };
    cancellation.active = undefined;
    if (error instanceof CallersMistake) {
      router.cancelled(pick, used);
      throw error.error as Error;
    }
    const { error: cancelled } = cancellation;
    const failure = cancelled === undefined ? failureOf(error, Date.now()) : undefined;
    if (failure === undefined) {
      router.cancelled(pick, used);
      throw cancelled ?? error;
    }
    const { kind, status } = failure;
    // No connection was free, the caller had no time, or no such model is behind a `*`: that is not the deployment's fault, and other callers keep it.
    const isOthersFault =
      isOverByCaller ||
      (error instanceof FastLiteLLMError && kind === 'timeout') ||
      (kind === 'not_found' && pick.deployment.model.includes('*'));
    if (isOthersFault) router.cancelled(pick, used);
    else router.failed(pick, { ...reportOf(failure), ...used });
    this.failures = [...this.failures, { deploymentId: pick.deployment.id, group: pick.group, kind, status }];
    return failure;
  }

  private isSpent(): boolean {
    const { maxAttempts, deadlineAtMs } = this.plan.limits;
    return this.attempts >= maxAttempts || this.shared.now() >= deadlineAtMs;
  }

  /** `passed`, and all of the group whose `order` is not behind that of the tier; `undefined` where none is left. */
  private passOver(tier: RouterPick, passed: readonly string[]): readonly string[] | undefined {
    const all = this.groupOf(tier);
    const done = all.filter(({ order }) => order <= tier.deployment.order);
    return done.length === all.length ? undefined : [...new Set([...passed, ...done.map(({ id }) => id)])];
  }

  /** A request may ask for what deployments call, too. */
  private groupOf({ group }: RouterPick): readonly Deployment[] {
    return this.shared.router.deployments().filter(({ modelName, model }) => modelName === group || model === group);
  }
}
