import { createParamDecorator } from '@nestjs/common';
import { requestResponseOf } from '../http/guard/guarded-request.js';
import { RequestContext } from '../http/request-context.js';

/**
 * Injects the `Principal` of a request, as authenticated by `ApiKeyGuard`; `undefined` if no guard
 * has authenticated it.
 *
 * @example
 * \@Post('chat')
 * chat(@ApiKey() { user, team }: Principal, @Body() body: ChatRequest) {}
 */
export const ApiKey: () => ParameterDecorator = createParamDecorator<void>((_, context) =>
  RequestContext.principalOf(requestResponseOf(context).request),
);
