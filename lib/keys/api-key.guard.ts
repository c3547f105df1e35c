import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { FastLiteLLMError } from '../common/errors.js';
import { ApiKeyError, ModelNotAllowedError } from '../common/http-errors.js';
import { requestResponseOf } from '../http/guard/guarded-request.js';
import { setHeaders, type HeaderTarget } from '../http/response-headers.js';
import { retryAfterHeaders } from '../http/retry-after-headers.js';
import { transportError } from '../http/guard/rate-limit-exception.js';
import { resolveModelAlias } from '../http/model-aliases.js';
import { RequestContext } from '../http/request-context.js';
import { ApiKeyService } from './api-keys.service.js';
import { checkModelsAccess } from './model-access.js';

/**
 * Accepts requests with a valid API key and identifies their sender. A `RateLimitGuard` after it
 * counts them under the key and applies the key's own limits and budgets; `@ApiKey()` gives the
 * handler the principal. For HTTP and GraphQL. A request that an earlier guard has authenticated
 * (`setPrincipal`) needs no key.
 *
 * The key must be allowed to call each model that the body names.
 *
 * @example
 * \@UseGuards(ApiKeyGuard, RateLimitGuard)
 */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(protected readonly keys: ApiKeyService) {}

  /** @throws ApiKeyError (401, 403, 503) or ModelNotAllowedError (403), in OpenAI's format. */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const transport = context.getType<string>();
    if (transport !== 'http' && transport !== 'graphql') {
      throw new FastLiteLLMError('UNSUPPORTED_TRANSPORT', `ApiKeyGuard: supports HTTP and GraphQL, not ${transport}`);
    }
    const { request, response } = requestResponseOf(context);
    try {
      const state = RequestContext.of(request);
      const principal = (state.principal ??= await this.keys.authenticate(request.headers ?? {}));
      if (principal.mayRequest?.(pathOf(request)) === false) throw new ApiKeyError('route_not_allowed');
      if (principal.modelAliases !== undefined) resolveModelAlias(principal, request.body);
      checkModelsAccess(principal, request.body);
      const limited = this.keys.directory === undefined ? undefined : this.keys.limitByCustomer(state, request);
      if (limited instanceof Promise) await limited;
      this.keys.countSpending(state, request.body, response);
      return true;
    } catch (error) {
      if (error instanceof ApiKeyError && response !== undefined) setRefusalHeaders(response, error);
      throw error instanceof ApiKeyError || error instanceof ModelNotAllowedError ? transportError(transport, error) : error;
    }
  }
}

/** Without a path it is that of a GraphQL operation. */
function pathOf(request: object): string {
  const { originalUrl, url } = request as { readonly originalUrl?: unknown; readonly url?: unknown };
  const path = originalUrl ?? url;
  return typeof path === 'string' ? path : '';
}

function setRefusalHeaders(response: HeaderTarget, error: ApiKeyError): void {
  if (response.headersSent === true) return;
  if (error.getStatus() === 401) {
    if (response.setHeader !== undefined) response.setHeader('www-authenticate', 'Bearer');
    else response.header?.('www-authenticate', 'Bearer');
  }
  if (error.retryAfterMs !== undefined) setHeaders(response, retryAfterHeaders(error.retryAfterMs));
}
