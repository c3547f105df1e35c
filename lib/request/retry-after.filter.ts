import { Catch, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { RouterRateLimitError } from '../common/http-errors.js';
import { ProviderError } from '../common/provider-error.js';
import { setRetryAfter, type HeaderTarget } from './rate-limit.headers.js';

/**
 * Sets `Retry-After` and `retry-after-ms` where the router or a provider refuses for a known time, and answers as Nest does. `RateLimitGuard` sets its own.
 *
 * For HTTP, on Express and Fastify. Other contexts have no headers: there the error goes on as it is.
 *
 * @example
 * providers: [{ provide: APP_FILTER, useClass: RetryAfterFilter }]
 */
@Catch(RouterRateLimitError, ProviderError)
export class RetryAfterFilter extends BaseExceptionFilter<RouterRateLimitError | ProviderError> {
  override catch(error: RouterRateLimitError | ProviderError, host: ArgumentsHost): void {
    if (host.getType() !== 'http') throw error;
    if (error.retryAfterMs !== undefined) setRetryAfter(host.switchToHttp().getResponse<HeaderTarget>(), error.retryAfterMs);
    super.catch(error, host);
  }
}
