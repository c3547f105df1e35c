import type { INestApplicationContext, Type } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import type { IncomingMessage } from 'node:http';
import { checkFunction, refuseArgument } from '../../common/options.js';
import { RateLimiterService } from '../../rate-limit/rate-limit.service.js';
import { TokenCounterService } from '../../token-counter/token-counter.service.js';
import { mayBeLarge } from '../body/body-object.js';
import { boundUnreadBody } from '../body/unread-body.js';
import type { LimitedRequest } from './guarded-request.js';
import { RateLimitGuard } from './rate-limit.guard.js';

/** A middleware for Express and Nest, and an `onRequest` hook for Fastify. */
export type RateLimitPrecheck = (request: object, response: object, next: (error?: Error) => void) => void;

/**
 * Creates a middleware that rejects a client over its limit before the body is read. It charges
 * nothing; the guard does. Bodies of up to 16 KiB, and rules whose `key`, `cost` or `skipIf` needs
 * the body or a user, are left to the guard.
 *
 * Register it between `NestFactory.create` and `listen`: Nest adds its body parsers after it.
 *
 * @param controller and `method` name the handler whose limits apply.
 * @param guard The guard of the route, if it is a subclass of `RateLimitGuard`.
 * @throws InvalidArgumentError if the controller has no such method.
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
  const handler = checkFunction<(...args: unknown[]) => unknown>('method', (controller.prototype as C)[method], refuseArgument);
  const precheck = precheckBy(guard, controller, handler);
  return (request, response, next) => {
    if (mayBeLarge((request as LimitedRequest).headers ?? {})) precheck(request, response, next);
    else next();
  };
}

/** The same by a guard, whose limits of `handler` apply, for a request whose body may be large. */
export function precheckBy(guard: RateLimitGuard, controller: Type<object>, handler: (...args: unknown[]) => unknown): RateLimitPrecheck {
  return (request, response, next) => {
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
