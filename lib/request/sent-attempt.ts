import type { AttemptTimes } from './attempt-timer.js';
import { CancellableSend } from './cancellable-send.js';
import type { FallbackTarget } from './call-router.js';
import type { ExecuteOptions, Send } from './llm-client.send.js';
import type { OpenAttempt } from './open-attempt.js';
import { estimate } from './provider-attempt.js';
import { drainOf } from './response-drain.js';
import { usageFrom, type AnswerUsage } from './usage-scan.js';

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
  try {
    const result = await sending.until(begin(attempt, question, sending));
    attempt.answered();
    attempt.succeeded(usageIn(result, question.options));
    question.options.onAnswer?.(attempt.open.answeredBy(attempt.pick, attempt.model));
    return result;
  } catch (error) {
    attempt.refused(error);
    throw error;
  } finally {
    sending.stop();
  }
}

/** One attempt by a caller's `send` that gives chunks: resolves with the first of them, and the rest behind it. */
export async function streamSend<C>(attempt: OpenAttempt, question: SentQuestion<AsyncIterable<C>>): Promise<AsyncIterable<C>> {
  const sending = new CancellableSend(attempt.pick.deployment, question.times, attempt.open.cancellation);
  let iterator: AsyncIterator<C> | undefined;
  try {
    const chunks = await sending.until(begin(attempt, question, sending));
    iterator = chunks[Symbol.asyncIterator]();
    const first = await sending.until(iterator.next());
    sending.firstChunk();
    attempt.firstChunk();
    question.options.onAnswer?.(attempt.open.answeredBy(attempt.pick, attempt.model));
    return rest(first, iterator, attempt, sending, question.options);
  } catch (error) {
    sending.stop();
    leave(iterator);
    attempt.refused(error);
    throw error;
  }
}

function begin<T>(attempt: OpenAttempt, { send, number, target }: SentQuestion<T>, { controller }: CancellableSend): Promise<T> {
  const { deployment, group } = attempt.pick;
  const context = { signal: controller.signal, attempt: number, model: attempt.model, group, overrides: target.overrides };
  // A `send` may throw before it gives a promise.
  return attempt.run(async () => send(deployment, context));
}

async function* rest<C>(
  first: IteratorResult<C>,
  iterator: AsyncIterator<C>,
  attempt: OpenAttempt,
  sending: CancellableSend,
  options: ExecuteOptions,
): AsyncGenerator<C, void, undefined> {
  let usage: AnswerUsage | undefined;
  let chunks = 0;
  const soFar = (): AnswerUsage => usage ?? estimate(attempt.open.facts.promptTokens ?? 0, chunks);
  let isOver = false;
  try {
    for (let result = first; result.done !== true; result = await sending.until(iterator.next())) {
      chunks++;
      usage = usageIn(result.value, options) ?? usage;
      yield result.value;
      await drainOf(attempt.open.cancellation.response);
    }
    isOver = true;
    attempt.succeeded(usage);
  } catch (error) {
    isOver = true;
    attempt.broke(error, soFar());
    leave(iterator);
    throw error;
  } finally {
    if (!isOver) {
      attempt.open.cancellation.cancel(new Error('the stream was not read to its end'));
      attempt.broke(attempt.open.cancellation.error, soFar());
      leave(iterator);
    }
    sending.stop();
  }
}

/** Lets go of a stream; what it has to say to that is nobody's business any more. */
function leave(iterator: AsyncIterator<unknown> | undefined): void {
  void Promise.resolve(iterator?.return?.()).catch(() => {});
}

function usageIn(result: unknown, { usageOf }: ExecuteOptions): AnswerUsage | undefined {
  if (usageOf !== undefined) return usageFrom(usageOf(result));
  return typeof result === 'object' && result !== null ? usageFrom((result as { readonly usage?: unknown }).usage) : undefined;
}
