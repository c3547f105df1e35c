import { HttpException, type ExecutionContext } from '@nestjs/common';
import { describeValue, errorMessage, FastLiteLLMError } from '../../common/errors.js';
import type { SkipIf } from '../../rate-limit/rate-limit.options.js';

/**
 * Calls a `skipIf` function. A function that fails must not open the route: the request fails.
 *
 * @param path names the function in errors
 * @throws FastLiteLLMError (`SKIP_IF_FAILED`), or the `HttpException` that the function threw.
 */
export async function shouldSkip(path: string, skipIf: SkipIf, context: ExecutionContext): Promise<boolean> {
  let skips: unknown;
  try {
    skips = await skipIf(context);
  } catch (error) {
    if (error instanceof HttpException) throw error;
    throw new FastLiteLLMError('SKIP_IF_FAILED', `${path}: the function threw an error (${errorMessage(error)})`, { cause: error });
  }
  if (skips === undefined || skips === null) return false;
  if (typeof skips === 'boolean') return skips;
  throw new FastLiteLLMError('SKIP_IF_FAILED', `${path}: must return true, false or nothing, got ${describeValue(skips)}`);
}
