import type { Deployment } from '../call-router.js';
import type { CallFacts } from '../answer/call-facts.js';
import type { CallOptions } from '../call-options.js';
import { neverConnected } from '../../common/connection-codes.js';
import { FastLiteLLMError } from '../../common/errors.js';
import { DeploymentMisconfiguredError } from '../../common/http-errors.js';
import { usageFrom, type AnswerUsage } from '../../http/answer-usage.js';
import { LoopReader, type LoopState } from '../stream/loop-reader.js';
import { drainOf } from '../stream/write-limit.js';
import type { Attempt, Exchange } from '../attempt.js';
import { CallbackError, reasonOf } from '../failure.js';

/** Second argument of `send`, after the deployment. */
export interface SendContext {
  /** Aborts at the time limit, or when the call is cancelled. Pass it to the client that sends. */
  readonly signal: AbortSignal;
  /** Number of the attempt, from 1, over all retries and fallbacks. */
  readonly attempt: number;
  /** The provider's name for the model: `gpt-4o` of `openai/gpt-4o`. */
  readonly model: string;
  /** The deployment's model group. */
  readonly group: string;
  /** Parameters that a fallback changes. */
  readonly overrides?: Readonly<Record<string, unknown>>;
}

/** Sends one request to one deployment, with any client. Disable that client's own retries. */
export type Send<T> = (deployment: Deployment, context: SendContext) => Promise<T>;

/** Options of `execute` and `stream`. */
export interface ExecuteOptions extends CallOptions {
  /** Name of the operation in spans and in the monitor. Default `chat`. */
  readonly operation?: string;
  /**
   * Returns the usage of an answer or a chunk. Default: its `usage`, in the format of a provider or
   * an SDK.
   */
  readonly usageOf?: (result: unknown) => unknown;
  /** Called before the answer is returned, with the facts of the call. */
  readonly onAnswer?: (call: CallFacts) => void;
}

/** Sends an attempt with the caller's function. */
export async function sendByFunction<T>(send: Send<T>, options: ExecuteOptions, attempt: Attempt): Promise<T> {
  const result = await new CustomExchange(attempt).begin(send);
  attempt.answered();
  attempt.report(callback(() => usageIn(result, options)));
  callback(() => options.onAnswer?.(attempt.facts()));
  return result;
}

/** How a stream of the caller's function is read. */
export interface CustomStreamOptions<C> extends ExecuteOptions {
  /** Receives each chunk before the caller gets it. */
  readonly onChunk?: (chunk: C) => void;
}

/** Sends with a function that returns chunks; resolves with the first one. */
export async function streamByFunction<C>(
  send: Send<AsyncIterable<C>>,
  options: CustomStreamOptions<C>,
  attempt: Attempt,
): Promise<AsyncIterable<C>> {
  const exchange = new CustomExchange(attempt);
  let iterator: AsyncIterator<C> | undefined;
  try {
    const chunks = await exchange.begin(send);
    const source = (iterator = chunks[Symbol.asyncIterator]());
    const first = await exchange.until(source.next());
    attempt.firstChunk();
    callback(() => options.onAnswer?.(attempt.facts()));
    exchange.closeSource = () => close(source);
    return new LoopReader<C>(
      (reader) => chunksOf({ first, source, exchange, reader, options }),
      () => exchange.leave(),
    );
  } catch (error) {
    close(iterator);
    throw error;
  }
}

/** A stream of which the first chunk has arrived. */
interface BegunStream<C> {
  readonly first: IteratorResult<C>;
  readonly source: AsyncIterator<C>;
  readonly exchange: CustomExchange;
  readonly reader: LoopState;
  readonly options: CustomStreamOptions<C>;
}

async function* chunksOf<C>({ first, source, exchange, reader, options }: BegunStream<C>): AsyncGenerator<C, void, undefined> {
  const { attempt } = exchange;
  try {
    for (let result = first; result.done !== true; result = await exchange.until(source.next())) {
      const { value } = result;
      exchange.receivedTokens++;
      const usage = callback(() => usageIn(value, options));
      if (usage !== undefined) attempt.report(usage);
      options.onChunk?.(value);
      yield value;
      await drainOf(attempt.call.cancellation.response, attempt.call.writeTimeoutMs);
    }
    exchange.succeed();
  } catch (error) {
    exchange.breakOff(error);
    if (reader.hasLeft) return;
    throw error instanceof CallbackError ? error.cause : error;
  } finally {
    exchange.leave();
  }
}

/**
 * One request sent by the caller's function. It ends when it is aborted, even if the function
 * ignores the signal.
 */
class CustomExchange implements Exchange {
  wasSent = false;
  isRefused = false;
  receivedTokens = 0;
  /** Of a stream that has begun and is not over. */
  closeSource: (() => void) | undefined = undefined;
  private readonly controller = new AbortController();
  private aborted: Error | undefined = undefined;
  private reject: ((error: Error) => void) | undefined = undefined;

  constructor(readonly attempt: Attempt) {}

  async begin<T>(send: Send<T>): Promise<T> {
    const { attempt, controller } = this;
    const { selection, number, model, target, hold } = attempt;
    const mostOutput = hold?.mostOutput;
    const overrides = mostOutput === undefined ? target.overrides : { ...target.overrides, max_completion_tokens: mostOutput };
    const { deployment, group } = selection;
    attempt.begin(this);
    this.wasSent = true;
    const context = { signal: controller.signal, attempt: number, model, group, overrides };
    attempt.sentAtMs ??= performance.now();
    // Asynchronous, because a `send` may throw before it returns a promise.
    const work = async (): Promise<T> => send(deployment, context);
    return this.until(attempt.observed === undefined ? work() : attempt.observed.run(work));
  }

  /** The result of `work`, unless the exchange is aborted before. */
  async until<T>(work: Promise<T>): Promise<T> {
    // It can reject after nothing awaits it any longer.
    work.catch(() => {});
    if (this.aborted !== undefined) throw this.aborted;
    try {
      return await Promise.race([work, new Promise<never>((_, reject) => (this.reject = reject))]);
    } catch (error) {
      if (error !== this.aborted) this.failed(error);
      throw error;
    } finally {
      this.reject = undefined;
    }
  }

  abort(error: Error): void {
    if (this.aborted !== undefined) return;
    this.aborted = error;
    this.controller.abort(error);
    this.reject?.(error);
    this.breakOff(error);
  }

  /** The stream has ended. */
  succeed(): void {
    this.closeSource = undefined;
    this.attempt.succeed();
  }

  breakOff(error: unknown): void {
    const { closeSource } = this;
    if (closeSource === undefined) return;
    this.closeSource = undefined;
    this.attempt.breakOff(error);
    closeSource();
  }

  /** Its reader reads no more. */
  leave(): void {
    if (this.closeSource === undefined) return;
    const { cancellation } = this.attempt.call;
    cancellation.cancel(new Error('the stream was not read to its end'));
    this.breakOff(cancellation.error);
  }

  /** Tells from the error whether the request was sent, and whether an error status answered it. */
  private failed(error: unknown): void {
    const reason = reasonOf(error);
    const isOurs = error instanceof FastLiteLLMError || error instanceof DeploymentMisconfiguredError;
    this.wasSent = reason !== undefined && !isOurs && !neverConnected(error);
    this.isRefused = reason?.status !== undefined && reason.status >= 300;
  }
}

/** Runs a callback of the caller: when it throws, the answer is not requested again. */
function callback<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new CallbackError(error);
  }
}

/** Closes a stream. Its error, if it has one, concerns nothing any longer. */
function close(iterator: AsyncIterator<unknown> | undefined): void {
  void (async () => iterator?.return?.())().catch(() => {});
}

function usageIn(result: unknown, { usageOf }: ExecuteOptions): AnswerUsage | undefined {
  if (usageOf !== undefined) return usageFrom(usageOf(result));
  if (typeof result !== 'object' || result === null) return undefined;
  const { usage, service_tier: tier } = result as { readonly usage?: unknown; readonly service_tier?: unknown };
  return usageFrom(usage, tier);
}
