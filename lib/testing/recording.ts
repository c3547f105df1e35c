import { AssertionError } from 'node:assert';
import type { AttemptStart, CallObserver, CallStart, ObservedAttempt, ObservedCall } from '../common/call-observer.js';
import type { TestProvider } from './provider.js';
import { describeCalls, endOf, figure, type RecordedAttempt, type RecordedCall } from './recorded-call.js';

/** An object whose calls can be recorded: a `FastLiteLLM` or its `client`. */
export interface ObservedClient {
  /** Adds an observer; the returned function removes it. */
  observe(observer: CallObserver): () => void;
}

/**
 * Identifies a deployment by its id or its entry in `model_list`, or all deployments of a provider.
 */
export type DeploymentReference = string | TestProvider | { readonly model_info?: Readonly<Record<string, unknown>> | null };

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Direction = 'exactly' | 'at least' | 'at most';

/**
 * Records the calls of a client from now on: chat, streams, embeddings, `execute`, and calls that a
 * gateway makes for its clients.
 *
 * @param llm A `FastLiteLLM` or its `client`.
 * @example
 * const calls = recordCalls(llm);
 * await answerTheUser();
 * calls.fellBackOnce().answeredBy(anthropic).spentAtMost(0.01);
 */
export function recordCalls(llm: ObservedClient | { readonly client: ObservedClient }): CallRecording {
  return new CallRecording('observe' in llm ? llm : llm.client);
}

/**
 * A recording of calls, with expectations for it. A failed expectation is an `AssertionError` of
 * `node:assert` that lists the calls; each expectation returns the recording, for chaining.
 */
export class CallRecording {
  private readonly recorded: Writable<RecordedCall>[] = [];
  private readonly remove: () => void;

  /** @internal Made by `recordCalls`. */
  constructor(client: ObservedClient) {
    this.remove = client.observe({ started: (call) => this.record(call) });
  }

  /** The calls, in the order in which they began. */
  get calls(): readonly RecordedCall[] {
    return this.recorded;
  }

  /** All attempts of all calls. */
  get attempts(): readonly RecordedAttempt[] {
    return this.recorded.flatMap(({ attempts }) => attempts);
  }

  /** Cost of all attempts in USD. Attempts without a known price are not included. */
  get spentUsd(): number {
    return sum(this.attempts.map(({ outcome }) => outcome?.costUsd));
  }

  /** Clears the recording. */
  clear(): void {
    this.recorded.length = 0;
  }

  /** Stops recording. */
  stop(): void {
    this.remove();
  }

  /** Expects this number of calls, regardless of their outcome. */
  called(times: number): this {
    return this.expectCount('calls', this.recorded.length, times, 'called');
  }

  /** Expects that this number of calls succeeded. Default: all, and at least one. */
  succeeded(times = Math.max(1, this.recorded.length)): this {
    return this.expectCount('calls that succeeded', this.ended('succeeded'), times, 'succeeded');
  }

  /** Expects that this number of calls failed. Default: all, and at least one. */
  failed(times = Math.max(1, this.recorded.length)): this {
    return this.expectCount('calls that failed', this.ended('failed'), times, 'failed');
  }

  /** Expects that callers cancelled this number of calls. Default 1. */
  cancelled(times = 1): this {
    return this.expectCount('cancelled calls', this.ended('cancelled'), times, 'cancelled');
  }

  /** Expects that every call and every attempt has ended: no stream is left open. */
  nothingInFlight(): this {
    const open = [...this.recorded, ...this.attempts].filter(({ outcome }) => outcome === undefined);
    return this.expectCount('calls and attempts in flight', open.length, 0, 'nothingInFlight');
  }

  /** Expects this number of retries within a priority tier. Default 1. */
  retried(times = 1): this {
    return this.expectCount('retries', sum(this.recorded.map(({ outcome }) => outcome?.retries)), times, 'retried');
  }

  /** Expects this number of fallbacks to another model group. */
  fellBack(times: number): this {
    return this.expectCount('fallbacks', this.fallbacks(), times, 'fellBack');
  }

  /** Expects exactly one fallback to another model group. */
  fellBackOnce(): this {
    return this.expectCount('fallbacks', this.fallbacks(), 1, 'fellBackOnce');
  }

  /** Expects this number of attempts, over all calls. */
  attempted(times: number): this {
    return this.expectCount('attempts', this.attempts.length, times, 'attempted');
  }

  /** Expects attempts at this deployment. Default of `times`: at least one. */
  sentTo(deployment: DeploymentReference, times?: number): this {
    const sent = this.attempts.filter((attempt) => isAt(attempt, deployment)).length;
    const what = `attempts at ${nameOf(deployment)}`;
    if (times === undefined) return this.expect(sent >= 1, this.text(what, sent, 1, 'at least'), 'sentTo');
    return this.expectCount(what, sent, times, 'sentTo');
  }

  /** Expects no attempt at this deployment. */
  notSentTo(deployment: DeploymentReference): this {
    const sent = this.attempts.filter((attempt) => isAt(attempt, deployment)).length;
    return this.expectCount(`attempts at ${nameOf(deployment)}`, sent, 0, 'notSentTo');
  }

  /** Expects exactly these attempts, in this order, over all calls. */
  sentInOrder(...deployments: readonly DeploymentReference[]): this {
    const { attempts } = this;
    const isSame = attempts.length === deployments.length && deployments.every((each, at) => isAt(attempts[at], each));
    const actual = attempts.map(({ deploymentId }) => deploymentId);
    const expected = deployments.map(nameOf);
    const message = `expected attempts at ${expected.join(', ') || 'none'}, got ${actual.join(', ') || 'none'}`;
    return this.expect(isSame, { message, actual, expected }, 'sentInOrder');
  }

  /** Expects that every call succeeded with an answer from this deployment. */
  answeredBy(deployment: DeploymentReference): this {
    this.succeeded();
    const others = this.recorded.filter(({ attempts }) => !isAt(attempts.at(-1), deployment));
    const message = `expected answers of ${nameOf(deployment)}, got ${others.length} of other deployments`;
    return this.expect(others.length === 0, { message, actual: others.length, expected: 0 }, 'answeredBy');
  }

  /**
   * Expects that all attempts together cost at most this amount. Fails if the price of an attempt
   * is unknown.
   */
  spentAtMost(usd: number): this {
    const unpriced = this.attempts.find(({ outcome }) => outcome?.inputTokens !== undefined && outcome.costUsd === undefined);
    if (unpriced !== undefined) {
      const message = `expected a cost of at most ${usd} USD, but the deployment ${unpriced.deploymentId} has no price`;
      return this.expect(false, { message, actual: undefined, expected: usd }, 'spentAtMost');
    }
    const { spentUsd } = this;
    const message = `expected at most ${usd} USD, got ${figure(spentUsd)}`;
    return this.expect(spentUsd <= usd, { message, actual: spentUsd, expected: usd }, 'spentAtMost');
  }

  /** Expects that all attempts together used at most this many tokens, for prompts and answers. */
  usedAtMost(tokens: number): this {
    const used = sum(this.attempts.flatMap(({ outcome }) => [outcome?.inputTokens, outcome?.outputTokens]));
    return this.expect(used <= tokens, this.text('tokens', used, tokens, 'at most'), 'usedAtMost');
  }

  /** Returns the recorded calls as text, one per line. */
  toString(): string {
    return describeCalls(this.recorded);
  }

  private record(start: CallStart): ObservedCall {
    const attempts: Writable<RecordedAttempt>[] = [];
    const call: Writable<RecordedCall> = { ...start, attempts };
    this.recorded.push(call);
    return {
      attempt: (facts) => recordAttempt(attempts, facts),
      ended: (outcome) => void (call.outcome = outcome),
    };
  }

  private fallbacks(): number {
    return sum(this.recorded.map(({ outcome }) => outcome?.fallbacks));
  }

  private ended(how: 'succeeded' | 'failed' | 'cancelled'): number {
    return this.recorded.filter(({ outcome }) => endOf(outcome) === how).length;
  }

  private expectCount(what: string, actual: number, expected: number, operator: string): this {
    return this.expect(actual === expected, this.text(what, actual, expected, 'exactly'), operator);
  }

  private text(what: string, actual: number, expected: number, direction: Direction): Expectation {
    return { message: `expected ${direction} ${expected} ${what}, got ${actual}`, actual, expected };
  }

  /** @param operator Name of the expectation: the error's stack begins below it. */
  private expect(holds: boolean, { message, actual, expected }: Expectation, operator: string): this {
    if (holds) return this;
    throw new AssertionError({
      message: `${message}\n${this.toString()}`,
      actual,
      expected,
      operator,
      stackStartFn: Reflect.get(this, operator) as () => void,
    });
  }
}

interface Expectation {
  readonly message: string;
  readonly actual: unknown;
  readonly expected: unknown;
}

function recordAttempt(attempts: Writable<RecordedAttempt>[], facts: AttemptStart): ObservedAttempt {
  const attempt: Writable<RecordedAttempt> = { ...facts };
  attempts.push(attempt);
  return {
    run: (send) => send(),
    firstChunk: () => {},
    ended: (outcome) => void (attempt.outcome = outcome),
  };
}

function isAt(attempt: RecordedAttempt | undefined, deployment: DeploymentReference): boolean {
  if (attempt === undefined) return false;
  if (isProvider(deployment)) return `${attempt.endpoint ?? ''}/`.startsWith(`${deployment.url}/`);
  return attempt.deploymentId === nameOf(deployment);
}

function nameOf(deployment: DeploymentReference): string {
  if (typeof deployment === 'string') return deployment;
  return isProvider(deployment) ? deployment.name : String(deployment.model_info?.id);
}

function isProvider(deployment: DeploymentReference): deployment is TestProvider {
  return typeof deployment === 'object' && 'url' in deployment;
}

function sum(figures: readonly (number | undefined)[]): number {
  return figures.reduce<number>((total, figure) => total + (figure ?? 0), 0);
}
