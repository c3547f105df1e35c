import { createParamDecorator } from '@nestjs/common';
import { requestResponseOf } from '../http/guard/guarded-request.js';
import { RequestContext } from '../http/request-context.js';

/**
 * The `Principal` of a request, as `ApiKeyGuard` has authenticated it; `undefined` where no guard
 * has.
 *
 * @example
 * \@Post('chat')
 * chat(@ApiKey() { user, team }: Principal, @Body() body: ChatRequest) {}
 */
export const ApiKey: () => ParameterDecorator = createParamDecorator<void>((_, context) =>
  RequestContext.principalOf(requestResponseOf(context).request),
);
