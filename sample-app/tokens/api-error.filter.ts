import { Catch, Inject, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter, HttpAdapterHost } from '@nestjs/core';
import { OpenAIErrorFilter } from 'nestjs-fast-litellm';

/** Answers errors below `/v1/` in OpenAI's shape, others as Nest does. */
@Catch()
export class ApiErrorFilter extends BaseExceptionFilter {
  private readonly ofApi: OpenAIErrorFilter;

  constructor(@Inject(HttpAdapterHost) host: HttpAdapterHost) {
    super(host.httpAdapter);
    this.ofApi = new OpenAIErrorFilter(host);
  }

  override catch(exception: unknown, host: ArgumentsHost): void {
    if (isOfApi(host.switchToHttp().getRequest())) this.ofApi.catch(exception, host);
    else super.catch(exception, host);
  }
}

/** By the matched route, because a path can be spelt in many ways. */
function isOfApi({ url, routeOptions }: { readonly url: string; readonly routeOptions?: { readonly url?: string } }): boolean {
  return (routeOptions?.url ?? url).startsWith('/v1/');
}
