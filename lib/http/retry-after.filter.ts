import { Catch, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { BudgetExceededError, CallQueueError, RateLimitExceededError, RouterRateLimitError } from '../common/http-errors.js';
import { ProviderError } from '../common/provider-error.js';
import { budgetDenialHeaders, retryAfterHeaders, setHeaders, type HeaderTarget } from './guard/headers.js';

type RetryableError = RouterRateLimitError | CallQueueError | ProviderError | RateLimitExceededError;

/**
 * Sets `Retry-After` and `retry-after-ms` when the router, its queue or a provider rejects a
 * request for a known time, and `x-should-retry: false` when a budget is spent; Nest answers.
 * `RateLimitGuard` has set its own already. HTTP only: in GraphQL and microservices the error goes
 * on. Not for WebSocket gateways: Nest takes what a filter caught there as answered.
 *
 * @example
 * providers: [{ provide: APP_FILTER, useClass: RetryAfterFilter }]
 */
@Catch(RouterRateLimitError, CallQueueError, ProviderError, RateLimitExceededError)
export class RetryAfterFilter extends BaseExceptionFilter<RetryableError> {
  /** Sets `Retry-After` and `retry-after-ms`, then answers as Nest does. */
  override catch(error: RetryableError, host: ArgumentsHost): void {
    // Nest answers by itself. An error that a filter throws for a message ends the process in Nest
    // 11.
    if (host.getType() !== 'http') return;
    const response = host.switchToHttp().getResponse<HeaderTarget>();
    if (error instanceof BudgetExceededError) setHeaders(response, budgetDenialHeaders(error));
    else if (error.retryAfterMs !== undefined) setHeaders(response, retryAfterHeaders(error.retryAfterMs));
    super.catch(error, host);
  }
}
