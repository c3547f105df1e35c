import { Catch, HttpException, Logger, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { InvalidArgumentError, RateLimitExceededError } from 'nestjs-fast-litellm';

/** What OpenAI's clients read from a failed request. */
interface OpenAIError {
  readonly message: string;
  readonly type: 'invalid_request_error' | 'server_error';
  /** The place in the body that is wrong. */
  readonly param: string | null;
  readonly code: string | null;
}

/** Answers the errors of `/v1/` in OpenAI's shape, `{ error: { message, type, param, code } }`; all others as Nest does. */
@Catch()
export class OpenAIErrorFilter extends BaseExceptionFilter {
  private readonly logger = new Logger(OpenAIErrorFilter.name);

  override catch(exception: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const adapter = this.httpAdapterHost?.httpAdapter;
    if (adapter === undefined || !http.getRequest<{ url: string }>().url.startsWith('/v1/')) {
      super.catch(exception, host);
      return;
    }
    // It is in OpenAI's shape as it comes.
    if (exception instanceof RateLimitExceededError) {
      super.catch(exception, host);
      return;
    }
    const [status, error] = this.describe(exception);
    adapter.reply(http.getResponse(), { error }, status);
  }

  private describe(exception: unknown): [status: number, error: OpenAIError] {
    if (exception instanceof InvalidArgumentError) {
      const { message, path, code } = exception;
      return [400, { message, type: 'invalid_request_error', param: path, code: code.toLowerCase() }];
    }
    if (exception instanceof HttpException && exception.getStatus() < 500) {
      return [exception.getStatus(), { message: exception.message, type: 'invalid_request_error', param: null, code: null }];
    }
    this.logger.error(exception);
    return [500, { message: 'The server had an error while processing your request.', type: 'server_error', param: null, code: null }];
  }
}
