import { Catch, Inject, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { BudgetExceededError } from '../common/http-errors.js';
import { setHeaders, type HeaderTarget } from '../http/response-headers.js';
import { budgetDenialHeaders, retryAfterHeaders } from '../http/retry-after-headers.js';
import { setFailedCall } from '../calls/answer/answer-headers.js';
import { isFinal } from '../calls/answer/failed-call.js';
import { answerTo, errorBody, type ClientApi } from './errors.js';

/** Facts about an error that are safe to send to the client. */
interface ErrorFacts {
  readonly retryAfterMs?: number;
  readonly providerRequestId?: string;
}

/** Answers errors of the gateway's routes in the format of the client's API. */
export abstract class GatewayErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('FastLiteLLMGateway');
  protected abstract readonly api: ClientApi;

  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

  catch(error: unknown, context: ArgumentsHost): void {
    const { httpAdapter } = this.host;
    const response = context.switchToHttp().getResponse<HeaderTarget & object>();
    const answer = answerTo(error);
    if (answer.isUnexpected) this.logger.error(error);
    if (httpAdapter.isHeadersSent(response)) return httpAdapter.end(response) as void;
    const { retryAfterMs, providerRequestId } = error as ErrorFacts;
    if (providerRequestId !== undefined) httpAdapter.setHeader(response, 'llm_provider-x-request-id', providerRequestId);
    setFailedCall(error, (name, value) => void httpAdapter.setHeader(response, name, value));
    if (error instanceof BudgetExceededError) setHeaders(response, budgetDenialHeaders(error));
    else if (retryAfterMs !== undefined) setHeaders(response, retryAfterHeaders(retryAfterMs));
    // The SDKs of OpenAI and Anthropic would repeat all attempts of the call, by default twice.
    else if (isFinal(error)) httpAdapter.setHeader(response, 'x-should-retry', 'false');
    if (answer.status === 401) httpAdapter.setHeader(response, 'www-authenticate', 'Bearer');
    httpAdapter.setHeader(response, 'x-content-type-options', 'nosniff');
    httpAdapter.reply(response, errorBody(answer, this.api, providerRequestId), answer.status);
  }
}

/** Answers with errors in OpenAI's format, as the gateway does. */
@Catch()
export class OpenAIErrorFilter extends GatewayErrorFilter {
  protected readonly api = 'openai';
}

/** Answers errors in Anthropic's shape. */
@Catch()
export class AnthropicErrorFilter extends GatewayErrorFilter {
  protected readonly api = 'anthropic';
}

/** Answers errors in Google's shape. */
@Catch()
export class GoogleErrorFilter extends GatewayErrorFilter {
  protected readonly api = 'google';
}
