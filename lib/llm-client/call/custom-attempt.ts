import { neverConnected } from '../../common/connection-codes.js';
import { FastLiteLLMError, InvalidConfigurationError, RequestCancelledError } from '../../common/errors.js';
import { DeploymentMisconfiguredError } from '../../common/http-errors.js';
import type { AttemptTimes } from './attempt-timer.js';
import { CancellableSend } from './cancellable-send.js';
import type { FallbackTarget } from './call-router.js';
import { CallersMistake, estimate } from './attempt-error.js';
import type { ExecuteOptions, Send } from '../send.js';
import type { OpenAttempt } from './attempt-reporter.js';
import { failureOf } from './provider-failure.js';
import { drainOf } from '../stream/response-drain.js';
import { usageFrom, type AnswerUsage } from '../../http/answer-usage.js';

/** What is sent by whom, and how long that may take. */
export interface SentQuestion<T> {
  readonly send: Send<T>;
  readonly target: FallbackTarget;
  readonly number: number;
  readonly options: ExecuteOptions;
  readonly times: AttemptTimes;
}

/** One attempt by a caller's `send`. */
export async function executeSend<T>(attempt: OpenAttempt, question: SentQuestion<T>): Promise<T> {
  const sending = new CancellableSend(attempt.pick.deployment, question.times, attempt.open.cancellation);
  let result: T;
  let usage: AnswerUsage | undefined;
  try {
    sending.check();
    result = await sending.until(begin(attempt, question, sending));
    usage = byCaller(() => usageIn(result, question.options));
  } catch (error) {
    throw attempt.refused(byOperator(error, attempt), costOf(error, sending));
  } finally {
    sending.stop();
  }
  attempt.answered();
  attempt.succeeded(usage);
  byCaller(() => question.options.onAnswer?.(attempt.open.answeredBy(attempt.pick, attempt.model)));
  return result;
}

/** One attempt by a caller's `send` that gives chunks: resolves with the first of them, and the rest behind it. */
export async function streamSend<C>(attempt: OpenAttempt, question: SentQuestion<AsyncIterable<C>>): Promise<AsyncIterable<C>> {
  const sending = new CancellableSend(attempt.pick.deployment, question.times, attempt.open.cancellation);
  let iterator: AsyncIterator<C> | undefined;
  try {
    sending.check();
    const chunks = await sending.until(begin(attempt, question, sending));
    iterator = chunks[Symbol.asyncIterator]();
    const first = await sending.until(iterator.next());
    sending.firstChunk();
    attempt.firstChunk();
    byCaller(() => question.options.onAnswer?.(attempt.open.answeredBy(attempt.pick, attempt.model)));
    const stream = rest(first, iterator, attempt, sending, question.options);
    // Begun here: a reader who leaves before its first chunk is heard of, too.
    await stream.next();
    return stream;
  } catch (error) {
    sending.stop();
    leave(iterator);
    throw attempt.refused(byOperator(error, attempt), costOf(error, sending));
  }
}

/** Tokens of an answer that did not come, or `undefined`: nothing left the process, or the provider answered with an error. */
function costOf(error: unknown, sending: CancellableSend): number | undefined {
  if (!sending.hasBegun) return undefined;
  if (error instanceof CallersMistake || error instanceof RequestCancelledError) return 0;
  const failure = failureOf(error, Date.now());
  // A mistake in the program, or a connection that was never there.
  if (failure === undefined || error instanceof FastLiteLLMError || neverConnected(error)) return undefined;
  return failure.status !== undefined && failure.status >= 300 ? undefined : 0;
}

/** What the caller gave besides its `send`: an answer that is there is not asked for again because of it. */
function byCaller<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new CallersMistake(error);
  }
}

function thrownIn(error: unknown): unknown {
  return error instanceof CallersMistake ? error.error : error;
}

/** A configuration that a `send` finds wrong is its operator's affair, not the client's. */
function byOperator(error: unknown, { pick }: OpenAttempt): unknown {
  if (!(error instanceof InvalidConfigurationError)) return error;
  return new DeploymentMisconfiguredError(pick.group, [pick.deployment.id], error);
}

function begin<T>(attempt: OpenAttempt, { send, number, target }: SentQuestion<T>, sending: CancellableSend): Promise<T> {
  const { deployment, group } = attempt.pick;
  sending.hasBegun = true;
  attempt.sending();
  const context = { signal: sending.controller.signal, attempt: number, model: attempt.model, group, overrides: target.overrides };
  // A `send` may throw before it gives a promise.
  return attempt.run(async () => send(deployment, context));
}

/** The first thing it gives is nothing, and stands for its beginning. */
async function* rest<C>(
  first: IteratorResult<C>,
  iterator: AsyncIterator<C>,
  attempt: OpenAttempt,
  sending: CancellableSend,
  options: ExecuteOptions,
): AsyncGenerator<C, void, undefined> {
  let usage: AnswerUsage | undefined;
  let chunks = 0;
  let isOver = false;
  const broken = (error: unknown): void => {
    if (isOver) return;
    isOver = true;
    attempt.broke(error, usage, estimate(attempt.promptTokens ?? 0, chunks));
    leave(iterator);
    sending.stop();
  };
  sending.whenEnded(broken);
  try {
    yield undefined as C;
    for (let result = first; result.done !== true; result = await sending.until(iterator.next())) {
      chunks++;
      const { value } = result;
      usage = byCaller(() => usageIn(value, options)) ?? usage;
      yield value;
      await drainOf(attempt.open.cancellation.response);
    }
    isOver = true;
    attempt.succeeded(usage);
  } catch (error) {
    broken(error);
    throw thrownIn(error) as Error;
  } finally {
    if (!isOver) {
      attempt.open.cancellation.cancel(new Error('the stream was not read to its end'));
      broken(attempt.open.cancellation.error);
    }
    sending.stop();
  }
}

/** Lets go of a stream; what it has to say to that is nobody's business any more. */
function leave(iterator: AsyncIterator<unknown> | undefined): void {
  void (async () => iterator?.return?.())().catch(() => {});
}

function usageIn(result: unknown, { usageOf }: ExecuteOptions): AnswerUsage | undefined {
  if (usageOf !== undefined) return usageFrom(usageOf(result));
  return typeof result === 'object' && result !== null ? usageFrom((result as { readonly usage?: unknown }).usage) : undefined;
}
