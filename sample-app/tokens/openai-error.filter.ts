import { Catch, HttpException, Logger, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { MAX_BODY_BYTES } from '../http-adapter.js';
import { InvalidArgumentError, RateLimitExceededError, RequestCancelledError } from 'nestjs-fast-litellm';

/** Error body that OpenAI's clients expect. */
interface OpenAIError {
  readonly message: string;
  readonly type: 'invalid_request_error' | 'server_error';
  /** The invalid field of the body. */
  readonly param: string | null;
  readonly code: string | null;
}

/**
 * Answers errors below `/v1/` in OpenAI's shape, `{ error: { message, type, param, code } }`;
 * others as Nest does.
 */

@Catch()
export class OpenAIErrorFilter extends BaseExceptionFilter {
  private readonly logger = new Logger(OpenAIErrorFilter.name);

  override catch(exception: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const adapter = this.httpAdapterHost?.httpAdapter;
    if (adapter === undefined || !isOfApi(http.getRequest())) {
      super.catch(exception, host);
      return;
    }
    const response = http.getResponse<object>();
    const { retryAfterMs, providerRequestId } = exception as { readonly retryAfterMs?: number; readonly providerRequestId?: string };
    if (providerRequestId !== undefined) adapter.setHeader(response, 'llm_provider-x-request-id', providerRequestId);
    // The guard has already set the header of its own errors.
    if (retryAfterMs !== undefined && !(exception instanceof RateLimitExceededError)) {
      adapter.setHeader(response, 'retry-after', String(Math.max(1, Math.ceil(retryAfterMs / 1000))));
      adapter.setHeader(response, 'retry-after-ms', String(Math.ceil(retryAfterMs)));
    }
    const [status, body] = this.answer(exception);
    adapter.reply(response, body, status);
  }

  private answer(exception: unknown): [status: number, body: object] {
    if (exception instanceof HttpException) {
      const body = exception.getResponse();
      // Errors of limits, router and providers already have OpenAI's shape.
      if (typeof body === 'object' && 'error' in body && typeof body.error === 'object') return [exception.getStatus(), body];
    }
    const [status, error] = this.describe(exception);
    return [status, { error }];
  }

  private describe(exception: unknown): [status: number, error: OpenAIError] {
    if (exception instanceof InvalidArgumentError) {
      const { message, path, code } = exception;
      return [400, { message, type: 'invalid_request_error', param: path, code: code.toLowerCase() }];
    }
    if (exception instanceof HttpException && exception.getStatus() === 413) {
      const message = `The request is too large: its body may have ${MAX_BODY_BYTES} bytes.`;
      return [413, { message, type: 'invalid_request_error', param: null, code: 'request_too_large' }];
    }
    if (exception instanceof HttpException && exception.getStatus() < 500) {
      return [exception.getStatus(), { message: exception.message, type: 'invalid_request_error', param: null, code: null }];
    }
    // The client is gone: the status is for a proxy's log.
    if (exception instanceof RequestCancelledError)
      return [499, { message: exception.message, type: 'invalid_request_error', param: null, code: 'request_cancelled' }];
    if ((exception as { readonly code?: unknown }).code === 'POOL_TIMEOUT')
      return [503, { message: 'All connections to providers are in use.', type: 'server_error', param: null, code: 'pool_timeout' }];
    this.logger.error(exception);
    return [500, { message: 'The server had an error while processing your request.', type: 'server_error', param: null, code: null }];
  }
}

/** By the matched route, because a path can be spelt in many ways. */
function isOfApi({ url, routeOptions }: { readonly url: string; readonly routeOptions?: { readonly url?: string } }): boolean {
  return (routeOptions?.url ?? url).startsWith('/v1/');
}
