import { Catch, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { BudgetExceededError, CallQueueError, RateLimitExceededError, RouterRateLimitError } from '../common/http-errors.js';
import { ProviderError } from '../common/provider-error.js';
import { setHeaders, type HeaderTarget } from './response-headers.js';
import { budgetDenialHeaders, retryAfterHeaders } from './retry-after-headers.js';

type RetryableError = RouterRateLimitError | CallQueueError | ProviderError | RateLimitExceededError;

/**
 * Sets `Retry-After` and `retry-after-ms` if the router, its queue or a provider rejects a request
 * and the wait is known, and `x-should-retry: false` if a budget is spent; Nest then sends the
 * error. `RateLimitGuard` sets its own headers. HTTP only: GraphQL and microservices get the error
 * unchanged. Not for WebSocket gateways, where Nest treats an error caught by a filter as handled.
 *
 * @example
 * providers: [{ provide: APP_FILTER, useClass: RetryAfterFilter }]
 */
@Catch(RouterRateLimitError, CallQueueError, ProviderError, RateLimitExceededError)
export class RetryAfterFilter extends BaseExceptionFilter<RetryableError> {
  /** Sets `Retry-After` and `retry-after-ms`, then responds as Nest does. */
  override catch(error: RetryableError, host: ArgumentsHost): void {
    // Let Nest respond: in Nest 11, an error that a filter throws for a message ends the process.
    if (host.getType() !== 'http') return;
    const response = host.switchToHttp().getResponse<HeaderTarget>();
    if (error instanceof BudgetExceededError) setHeaders(response, budgetDenialHeaders(error));
    else if (error.retryAfterMs !== undefined) setHeaders(response, retryAfterHeaders(error.retryAfterMs));
    super.catch(error, host);
  }
}
