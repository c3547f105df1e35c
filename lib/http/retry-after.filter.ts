import { Catch, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { RouterRateLimitError } from '../common/http-errors.js';
import { ProviderError } from '../common/provider-error.js';
import { setRetryAfter, type HeaderTarget } from './guard/headers.js';

/**
 * Sets `Retry-After` and `retry-after-ms` where the router or a provider refuses for a known time, and answers as Nest does. `RateLimitGuard` sets its own.
 *
 * For HTTP, on Express and Fastify. In GraphQL and in messages between services, which have no headers, the error goes on as it is. Not for gateways of
 * WebSockets: there Nest takes whatever a filter has caught as answered.
 *
 * @example
 * providers: [{ provide: APP_FILTER, useClass: RetryAfterFilter }]
 */
@Catch(RouterRateLimitError, ProviderError)
export class RetryAfterFilter extends BaseExceptionFilter<RouterRateLimitError | ProviderError> {
  /** Sets `Retry-After` and `retry-after-ms`, then answers as Nest does. */
  override catch(error: RouterRateLimitError | ProviderError, host: ArgumentsHost): void {
    // Nest answers itself, then. What a filter throws, nobody answers, and of a message it ends the process in Nest 11.
    if (host.getType() !== 'http') return;
    if (error.retryAfterMs !== undefined) setRetryAfter(host.switchToHttp().getResponse<HeaderTarget>(), error.retryAfterMs);
    super.catch(error, host);
  }
}
