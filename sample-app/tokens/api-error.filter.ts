import { Catch, Inject, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter, HttpAdapterHost } from '@nestjs/core';
import { OpenAIErrorFilter } from 'nestjs-fast-litellm';

/** Answers errors below `/v1/` in OpenAI's format, others as Nest does. */
@Catch()
export class ApiErrorFilter extends BaseExceptionFilter {
  constructor(@Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost) {
    super(adapterHost.httpAdapter);
  }

  override catch(exception: unknown, host: ArgumentsHost): void {
    // By the matched route, because a path can be spelt in many ways.
    const { url, routeOptions } = host.switchToHttp().getRequest<{ url: string; routeOptions?: { url?: string } }>();
    if ((routeOptions?.url ?? url).startsWith('/v1/')) new OpenAIErrorFilter(this.adapterHost).catch(exception, host);
    else super.catch(exception, host);
  }
}
