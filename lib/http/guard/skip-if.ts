import { HttpException, type ExecutionContext } from '@nestjs/common';
import { describeValue, errorMessage, FastLiteLLMError } from '../../common/errors.js';
import type { SkipIf } from '../../rate-limit/rate-limit.options.js';

/**
 * Asks a `skipIf` function. `path` names it in errors.
 * @throws FastLiteLLMError (`SKIP_IF_FAILED`) where it fails or returns anything but a boolean or nothing; an `HttpException` of its own unchanged.
 */
export function asksToSkip(path: string, skipIf: SkipIf, context: ExecutionContext): boolean | Promise<boolean> {
  let answer: ReturnType<SkipIf>;
  try {
    answer = skipIf(context);
  } catch (error) {
    throw failure(path, error);
  }
  if (typeof (answer as PromiseLike<unknown> | null | undefined)?.then !== 'function') return checkAnswer(path, answer);
  const late = Promise.resolve(answer).catch((error: unknown) => {
    throw failure(path, error);
  });
  return late.then((settled) => checkAnswer(path, settled));
}

function checkAnswer(path: string, answer: unknown): boolean {
  if (answer === undefined || answer === null) return false;
  if (typeof answer === 'boolean') return answer;
  throw new FastLiteLLMError('SKIP_IF_FAILED', `${path}: must return true, false or nothing, got ${describeValue(answer)}`);
}

/** The request fails: a limit that cannot be judged must not open the route. */
function failure(path: string, error: unknown): unknown {
  if (error instanceof HttpException) return error;
  return new FastLiteLLMError('SKIP_IF_FAILED', `${path}: the function failed (${errorMessage(error)})`, { cause: error });
}
