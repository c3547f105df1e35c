import { FastLiteLLMError } from '../common/errors.js';
import { DeploymentMisconfiguredError } from '../common/http-errors.js';
import type { ProviderFailureKind } from '../common/provider-error.js';
import type { CallCancellation } from './call-cancellation.js';
import type { CallRouter, Deployment, FallbackTarget, RouterPick, RoutingContext } from './call-router.js';
import { CallFailure, failureOf, failureOfSelection, reportOf } from './provider-failure.js';
import type { RetryBudget } from './retry-budget.js';
import { retriesAllowed, retryWaitMs } from './retry-rules.js';

/** How far a call may go before it gives up. */
export interface CallLimits {
  /** Retries of each group, where no policy says otherwise. */
  readonly numRetries: number;
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
    readonly attempt: (pick: RouterPick, attempt: number, target: FallbackTarget) => Promise<R>,
  ) {}
}

/** What the router's settings, and the request, say of failures. */
export interface CallChains {
  /** Where to go when a group has failed so. */
  fallbacks(group: string, kind: ProviderFailureKind): readonly FallbackTarget[];
  /** `retry_policy` of a group, then of the router. */
  policies(group: string): readonly (Readonly<Record<string, unknown>> | undefined | null)[];
}

/** What all calls of a client share. */
export interface CallSurroundings {
  readonly router: CallRouter;
  readonly retryBudget: RetryBudget;
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** Something that the caller gave has thrown, once there was an answer: no failure of the attempt. */
export class CallersMistake extends Error {
  constructor(readonly error: unknown) {
    super('a function of the caller has thrown');
  }
}

/** What the rules of retrying go by. */
class FailedAttempt {
  constructor(
    readonly pick: RouterPick,
    readonly failure: CallFailure,
  ) {}
}

const NONE: readonly never[] = [];
/** These are about the request: another deployment of the same order, or of the next, would say the same. */
const OF_THE_REQUEST: ReadonlySet<ProviderFailureKind> = new Set(['bad_request', 'context_window', 'content_policy']);

/**
 * One call: picks a deployment, sends, and decides after each failure what comes next. Retries in the group, then the group's next `order`, then its
 * fallbacks, each with the same rules, and each group once. When nothing is left, the first group's failure is thrown as it came.
 */
export class LlmCall<R> {
  attempts = 0;
  retries = 0;
  fallbacks = 0;
  /** Of the answer; of the last attempt where there is none. */
  pick: RouterPick | undefined = undefined;
  failures: readonly AttemptFailure[] = NONE;
  private triedGroups: Set<string> | undefined = undefined;

  constructor(
    private readonly shared: CallSurroundings,
    private readonly plan: CallPlan<R>,
  ) {}

  /** Mostly the first attempt is the last: it takes none of the steps for what comes after a failure, each of which would be a promise more. */
  async run(): Promise<R | CallFailure> {
    const target: FallbackTarget = { model: this.plan.model };
    const pick = this.acquire(target.model, NONE);
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

  private async group(target: FallbackTarget, depth: number, first?: FailedAttempt): Promise<R | CallFailure> {
    const outcome = await this.withinGroup(target, first);
    return outcome instanceof CallFailure ? this.fallBack(target, depth, outcome) : outcome;
  }

  private async fallBack(target: FallbackTarget, depth: number, outcome: CallFailure): Promise<R | CallFailure> {
    const triedGroups = (this.triedGroups ??= new Set());
    const { router } = this.shared;
    triedGroups.add(router.knownName(target.model));
    if (depth >= this.plan.limits.maxFallbacks) return outcome;
    for (const next of this.plan.chains.fallbacks(target.model, outcome.kind)) {
      if (triedGroups.has(router.knownName(next.model))) continue;
      if (this.isSpent()) break;
      this.fallbacks++;
      const other = await this.group(next, depth + 1);
      if (!(other instanceof CallFailure)) return other;
    }
    return outcome;
  }

  private async withinGroup(target: FallbackTarget, first?: FailedAttempt): Promise<R | CallFailure> {
    /** Of an `order` that is done with. */
    let passed: readonly string[] = NONE;
    let tried: readonly string[] = NONE;
    let last: CallFailure | undefined;
    for (let retry = 0, given = first; ; retry++, given = undefined) {
      if (last !== undefined && this.isSpent()) return last;
      let failed = given;
      if (failed === undefined) {
        const pick = this.select(target.model, passed, tried);
        if (pick instanceof CallFailure) return last ?? pick;
        const outcome = await this.attempt(pick, target);
        if (!(outcome instanceof CallFailure)) return outcome;
        failed = new FailedAttempt(pick, outcome);
      }
      const { pick, failure } = failed;
      last = failure;
      tried = [...tried, pick.deployment.id];
      const decision = this.afterFailure(target.model, pick.deployment, retry, failure);
      if (decision === 'give up') {
        const next = OF_THE_REQUEST.has(failure.kind) ? undefined : this.passOver(pick, passed);
        if (next === undefined) return last;
        passed = next;
        retry = -1;
      } else {
        if (decision > 0) await this.plan.cancellation.wait(decision);
        this.retries++;
      }
    }
  }

  /** How long to wait before the next retry. */
  private afterFailure(model: string, { id, numRetries }: Deployment, retry: number, failure: CallFailure): number | 'give up' {
    const { router, retryBudget, now, random } = this.shared;
    const { context, limits } = this.plan;
    const { kind, retryAfterMs } = failure;
    const healthy = router.healthyCount(model, context);
    const healthyOthers = router.healthyCount(model, { ...context, excludeIds: [id] });
    const hasFallbacks = this.plan.chains.fallbacks(model, kind).length > 0;
    const policies = numRetries === undefined ? this.plan.chains.policies(model) : [];
    const allowed = retriesAllowed({
      kind,
      healthy,
      healthyOthers,
      hasFallbacks,
      numRetries: numRetries ?? limits.numRetries,
      policies,
    });
    // Nothing was sent: another deployment is no retry.
    if (failure.error instanceof DeploymentMisconfiguredError && healthyOthers > 0) return 0;
    if (retry >= allowed) return 'give up';
    const waitMs = retryWaitMs(retry, { healthyOthers, retryAfterMs, leastMs: limits.leastWaitMs }, random());
    if (now() + waitMs >= limits.deadlineAtMs || !retryBudget.withdraw(now())) return 'give up';
    return waitMs;
  }

  /** One that has not failed yet, if there is any; else any that is not passed. */
  private select(model: string, passed: readonly string[], tried: readonly string[]): RouterPick | CallFailure {
    if (tried.length > 0) {
      const fresh = this.acquire(model, [...passed, ...tried]);
      if (!(fresh instanceof CallFailure)) return fresh;
    }
    return this.acquire(model, passed);
  }

  private acquire(model: string, excludeIds: readonly string[]): RouterPick | CallFailure {
    const { router } = this.shared;
    const { context } = this.plan;
    try {
      return router.acquire(model, excludeIds.length === 0 ? context : { ...context, excludeIds });
    } catch (error) {
      const failure = failureOfSelection(error);
      if (failure === undefined) throw error;
      return failure;
    }
  }

  private async attempt(pick: RouterPick, target: FallbackTarget): Promise<R | CallFailure> {
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
  private failed(pick: RouterPick, error: unknown): CallFailure {
    const { router } = this.shared;
    const { cancellation } = this.plan;
    cancellation.active = undefined;
    if (error instanceof CallersMistake) {
      router.cancelled(pick);
      throw error.error as Error;
    }
    const { error: cancelled } = cancellation;
    const failure = cancelled === undefined ? failureOf(error, Date.now()) : undefined;
    if (failure === undefined) {
      router.cancelled(pick);
      throw cancelled ?? error;
    }
    const { kind, status } = failure;
    // No connection was free: that is not the deployment's fault.
    if (error instanceof FastLiteLLMError && kind === 'timeout') router.cancelled(pick);
    else router.failed(pick, reportOf(failure));
    this.failures = [...this.failures, { deploymentId: pick.deployment.id, group: pick.group, kind, status }];
    return failure;
  }

  private isSpent(): boolean {
    const { maxAttempts, deadlineAtMs } = this.plan.limits;
    return this.attempts >= maxAttempts || this.shared.now() >= deadlineAtMs;
  }

  /** `passed`, and all of the group whose `order` is not behind that of what was picked; `undefined` where none is left. */
  private passOver({ deployment, group }: RouterPick, passed: readonly string[]): readonly string[] | undefined {
    // A request may ask for what deployments call, too.
    const all = this.shared.router.deployments().filter(({ modelName, model }) => modelName === group || model === group);
    const done = all.filter(({ order }) => order <= deployment.order);
    return done.length === all.length ? undefined : [...new Set([...passed, ...done.map(({ id }) => id)])];
  }
}
