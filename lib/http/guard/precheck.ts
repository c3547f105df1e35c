import type { INestApplicationContext, Type } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import type { IncomingMessage } from 'node:http';
import { checkFunction, refuseArgument } from '../../common/options.js';
import { RateLimiterService } from '../../rate-limit/rate-limit.service.js';
import { TokenCounterService } from '../../token-counter/token-counter.service.js';
import { mayBeLarge } from '../body/body-size.js';
import type { LimitedRequest } from './guarded-request.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { boundUnreadBody } from '../unread-body.js';

/** A middleware of Express and of Nest, and an `onRequest` hook of Fastify. */
export type RateLimitPrecheck = (request: object, response: object, next: (error?: Error) => void) => void;

/**
 * Middleware that rejects a client who is over a limit of a route before the body is read. It peeks: what is allowed is counted by the guard alone. Bodies of
 * up to 16 KiB are left to the guard. Rules whose `key`, `cost` or `skipIf` needs more than headers and address (the body, a user) are left to it, too.
 *
 * `controller` and `method` name the handler whose `@RateLimit` applies; `guard` is the guard of the route, where it is not `RateLimitGuard` itself.
 * Place it between `NestFactory.create` and `listen`: Nest adds its body parsers after it.
 *
 * @throws InvalidArgumentError where the controller has no such method.
 * @example
 * app.use('/v1/chat/completions', rateLimitPrecheck(app, GatewayController, 'chat'));
 */
export function rateLimitPrecheck<C extends object>(
  app: Pick<INestApplicationContext, 'get'>,
  controller: Type<C>,
  method: keyof C & string,
  guard: RateLimitGuard = new RateLimitGuard(
    app.get(RateLimiterService, { strict: false }),
    app.get(TokenCounterService, { strict: false }),
  ),
): RateLimitPrecheck {
  const handler = checkFunction('method', (controller.prototype as C)[method], refuseArgument);
  return (request, response, next) => {
    if (!mayBeLarge((request as LimitedRequest).headers ?? {})) {
      next();
      return;
    }
    const context = new ExecutionContextHost([request, response, next], controller, handler);
    context.setType('http');
    guard.precheck(context).then(
      () => next(),
      (error: unknown) => {
        boundUnreadBody((request as { readonly raw?: IncomingMessage }).raw ?? (request as IncomingMessage));
        next(error as Error);
      },
    );
  };
}
