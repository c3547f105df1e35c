import type { CallOutcome } from '../common/call-observer.js';
import type { GuardrailRecord } from '../common/call-record.js';
import type { Fields } from '../common/objects.js';
import type { ProviderFailureKind } from '../common/provider-error.js';
import type { Principal } from '../http/principal.js';
import type { RequestContext } from '../http/request-context.js';
import { DEFAULT_TIMEOUT_MS } from '../router/settings.js';
import { DEFAULT_CALL_TIMEOUT_MS, type ResolvedLlmClientOptions } from './llm-client.options.js';
import type { CallRequest } from './call-request.js';
import type { SteeredOptions } from './call-options.js';
import type { Failure } from './failure.js';
import { changesOf } from '../providers/openai/request.js';
import { CallCancellation, type AttemptTimes } from './cancellation.js';
import type { LoggedBodies } from './hooks/logged-bodies.js';
import type { WatchedCall } from './attempt-observer.js';
import type { CallRouter, Deployment, FallbackTarget, RoutingContext } from './call-router.js';

/** One attempt that failed. */
export interface AttemptFailure {
  readonly deploymentId: string;
  readonly group: string;
  readonly kind: ProviderFailureKind;
  readonly status?: number;
}

/** A model group that a call tries, and the request for it. */
export interface CallTarget extends FallbackTarget {
  readonly inputTokens: number | undefined;
}

/** Where else a call could go when a model group fails. */
export interface Alternatives {
  /** Whether a target is left for a group whose deployments are at their limits. */
  hasNext(group: string): boolean;
  /** Whether one of these targets has a deployment that is not in cooldown. */
  hasHealthy(group: string): boolean;
}

/** Steps that a call's hooks run around its attempts. */
export interface CallGuards {
  /** Runs before the first attempt. Can change the request, deny it with an error, or answer it. */
  prepare(call: Call): Promise<unknown>;
  /** The error that the client gets instead of the one that ended the call. */
  guardFailure?(error: unknown): Promise<unknown>;
  /** Names of the guardrails that apply. */
  readonly applied?: readonly string[];
  /** Results of the guardrails so far. */
  records?(): readonly GuardrailRecord[];
  /** `undefined`: logs get the bodies as they are. */
  readonly logged?: ((bodies: LoggedBodies) => Promise<LoggedBodies>) | undefined;
}

/** How a call ended. */
export type CallEnd = 'succeeded' | 'failed' | 'cancelled' | 'denied' | 'refused';

/** How a call has ended, for its settlement. */
interface CallEnding {
  /** Absent: it has no answer. `tokens`: absent if its usage is not known. */
  readonly answer?: { readonly tokens: number | undefined };
  /** For observers. */
  readonly outcome: () => CallOutcome;
}

/** Dependencies shared by all calls of a client. */
export interface CallSettings {
  readonly router: CallRouter;
  readonly options: ResolvedLlmClientOptions;
  /** Milliseconds, of a clock that never steps. */
  readonly now: () => number;
  /** Counts the prompt of a body. */
  readonly countPrompt: (body: Fields, isLarge: boolean) => number | Promise<number>;
}

const NONE: readonly never[] = [];

/** One call: its request, its limits, and the outcome of its attempts. */
export class Call {
  attempts = 0;
  /** Attempts that a budget denied before anything was sent. */
  unsent = 0;
  retries = 0;
  fallbacks = 0;
  isRetryDenied = false;
  failures: readonly AttemptFailure[] = NONE;
  /** The first failure of a deployment. */
  deploymentFailure: Failure | undefined = undefined;
  /** The last error that the caller caused. */
  callersError: unknown = undefined;
  /** Time spent waiting before retries and in the queue. */
  waitedMs = 0;
  /** Time spent waiting for the connection pool and for providers. */
  upstreamMs = 0;
  /** Tokens of failed attempts whose prompt was sent. */
  lostTokens = 0;
  /** Cost of all attempts; `NaN` if an attempt has no known price. */
  nanoUsd = 0;
  /** Whether a prompt was sent whose tokens are not known. */
  hasUncountedLoss = false;
  isOver = false;
  /** The timer of the deadline has fired; on a busy event loop it fires milliseconds early. */
  isExpired = false;
  observed: WatchedCall | undefined = undefined;
  /** As hooks and records have it; other calls get an id when they fail. */
  id: string | undefined = undefined;

  /** How long an abandoned answer is still read; `undefined`: not at all. */
  readonly drainMs: number | undefined;
  /** Failed attempts whose answers are still being read. */
  draining = 0;
  readonly cancellation: CallCancellation;
  /** Published by the layer of fallbacks: waiting and retries depend on it. */
  alternatives: (() => Alternatives) | undefined = undefined;
  /** The refusal of a deployment that would accept the request in another form. */
  recovery: Error | undefined = undefined;
  private endListeners: readonly (() => void)[] = NONE;
  private ending: CallEnding | undefined = undefined;
  /** The client, if a guard has authenticated it. */
  readonly principal: Principal | undefined;
  /** The HTTP request whose reservation the call settles. */
  readonly request: RequestContext | undefined;
  readonly stream: boolean;
  /** Hooks can change the request before the first attempt. */
  asked!: CallRequest;
  options!: SteeredOptions;
  context!: RoutingContext;
  /** Tokens of each answer that it asks for. */
  maxTokens: number | undefined;
  /** Longest time of the whole call. */
  private callMs!: number;
  private readonly startedAtMs: number;

  /** @throws InvalidArgumentError for a signal or a response of the wrong type. */
  constructor(
    asked: CallRequest,
    private readonly client: CallSettings,
    /** `undefined`: no hook takes part in its content. */
    readonly guards?: CallGuards,
  ) {
    this.startedAtMs = client.now();
    this.cancellation = new CallCancellation(asked.options);
    this.request = asked.context;
    this.principal = this.request?.principal;
    this.stream = asked.stream;
    this.take(asked);
    const { onAbort, abortDrainMs } = client.options;
    if (onAbort === 'drain') this.drainMs = abortDrainMs;
  }

  /**
   * Reserves the amounts of the request: at the start, and again after hooks have changed the body.
   * The timeout continues.
   */
  take(asked: CallRequest): void {
    const { promptTokens: inputTokens, maxTokens, stream, options } = asked;
    this.asked = asked;
    this.options = options;
    this.maxTokens = maxTokens;
    this.context = { inputTokens, maxTokens, stream, ...options.routing };
    this.callMs = Math.min(options.timeoutMs ?? this.client.options.callTimeoutMs, options.callerTotalTimeoutMs ?? Infinity);
  }

  /**
   * Calls `listener` once the call is over and its abandoned answers are read: a stream outlives
   * the layers' `run`, and an answer that is drained outlives its caller. Inner layers come first.
   */
  whenOver(listener: () => void): void {
    this.endListeners = [listener, ...this.endListeners];
  }

  /**
   * Ends the call: runs the listeners, settles its tokens and reports to its observers, once its
   * abandoned answers are read.
   * @param ending that of the call; not when an answer has been read
   */
  end(ending = this.ending): void {
    this.ending = ending;
    if (ending === undefined || this.draining > 0) return;
    for (const listener of this.endListeners) listener();
    const { lostTokens, hasUncountedLoss, nanoUsd } = this;
    const withoutAnswer = lostTokens > 0 && !hasUncountedLoss ? 0 : undefined;
    const tokens = ending.answer === undefined ? withoutAnswer : ending.answer.tokens;
    this.request?.hold.endCall(tokens, { tokens: lostTokens, isUncounted: hasUncountedLoss }, !Number.isNaN(nanoUsd));
    if (this.observed === undefined) return;
    const guardrails = this.guards?.records?.();
    const outcome = ending.outcome();
    this.observed.ended(guardrails === undefined || guardrails.length === 0 ? outcome : { ...outcome, guardrails });
  }

  /** How long a stream waits for a client that has stopped reading. */
  get writeTimeoutMs(): number {
    return this.client.options.writeTimeoutMs;
  }

  get maxFallbacks(): number {
    return this.options.disableFallbacks === true ? 0 : this.client.router.settings.maxFallbacks;
  }

  /**
   * Whether the call may go to another model group after a budget denied it: only with the option,
   * or if another attempt has failed. A budget denial is not a failure of a deployment.
   */
  get mayFallBackFromBudget(): boolean {
    return this.client.options.budgetFallbacks || this.attempts > this.unsent;
  }

  /** Prompt tokens: the client's own count, else that of the request's guard. */
  get promptTokens(): number | undefined {
    return this.asked.promptTokens ?? this.request?.promptTokens;
  }

  /**
   * Prompt tokens if a fallback changes the request. A number passed by the app is kept in any
   * case.
   */
  countChanged(overrides: Fields): number | undefined | Promise<number> {
    const { body, isLarge, options } = this.asked;
    const stated = options.routing?.inputTokens;
    return stated ?? (body && this.client.countPrompt({ ...body, ...changesOf(overrides) }, isLarge));
  }

  /** Whether no further attempt may begin. */
  get isSpent(): boolean {
    return this.attempts >= this.client.options.maxAttempts || !this.hasTimeFor(0);
  }

  hasTimeFor(ms: number): boolean {
    return ms < this.leftMs;
  }

  /** Until its deadline, in milliseconds. */
  get leftMs(): number {
    return this.isExpired ? 0 : this.startedAtMs + this.callMs - this.client.now();
  }

  /** Retries of a priority tier: the deployment's or the router's, which the call can lower. */
  retriesOn({ numRetries }: Deployment): number {
    const asked = this.options.numRetries ?? undefined;
    return Math.min(numRetries ?? asked ?? this.client.router.settings.numRetries, asked ?? Infinity);
  }

  /** Longest time of an attempt, unless its deployment has a limit, and of a wait in the queue. */
  get attemptMs(): number {
    const { router, options } = this.client;
    return Math.min(options.attemptTimeoutMs, router.settings.timeoutMs, this.options.callerTimeoutMs ?? Infinity);
  }

  /**
   * How long an attempt on this deployment may take. An attempt's own limit ends with the first
   * chunk of a stream: after it no other deployment is tried, so the limit only applies to the
   * silence between chunks.
   */
  timesOn({ timeoutMs, streamTimeoutMs }: Deployment): AttemptTimes {
    const { options, client, leftMs, callMs } = this;
    const { settings } = client.router;
    const allowedMs = timeoutMs ?? Math.min(client.options.attemptTimeoutMs, settings.timeoutMs);
    const askedMs = options.callerTimeoutMs ?? Infinity;
    const ownMs = Math.min(allowedMs, askedMs);
    const isLimited = ownMs < DEFAULT_TIMEOUT_MS;
    const isCallLimited = callMs < DEFAULT_CALL_TIMEOUT_MS;
    const isCallersTotal = options.callerTotalTimeoutMs === callMs;
    if (!this.stream) {
      const wholeMs = Math.min(ownMs, leftMs);
      const endsCall = leftMs <= ownMs;
      const byCaller = { whole: endsCall ? isCallersTotal : askedMs < allowedMs, firstChunk: false };
      const limit = isLimited || isCallLimited ? 0 : undefined;
      return { wholeMs, endsCall, firstChunkMs: Infinity, headTimeoutMs: limit, bodyTimeoutMs: limit, byCaller };
    }
    const allowedFirstMs = streamTimeoutMs ?? settings.streamTimeoutMs ?? allowedMs;
    const firstChunkMs = options.streamTimeoutMs ?? Math.min(allowedFirstMs, options.callerStreamTimeoutMs ?? askedMs);
    return {
      wholeMs: leftMs,
      endsCall: true,
      firstChunkMs,
      headTimeoutMs: isCallLimited || firstChunkMs < DEFAULT_TIMEOUT_MS ? 0 : undefined,
      bodyTimeoutMs: isLimited ? ownMs : isCallLimited ? 0 : undefined,
      byCaller: {
        whole: isCallersTotal,
        firstChunk: options.streamTimeoutMs === undefined && firstChunkMs < allowedFirstMs,
        silence: askedMs < allowedMs,
      },
    };
  }
}
