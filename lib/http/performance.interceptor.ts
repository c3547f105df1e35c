import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { PerformanceMonitorService } from '../monitor/performance-monitor.service.js';
import { RouteDurations, type RoutedRequest, type RoutedResponse } from './route-durations.js';

/**
 * Measures HTTP requests from the end of the guards to the end of the response, including streams,
 * as component `http` with the pattern of the route (`POST /v1/models/:id`), never the URL. A
 * request counts as failed if it ends with a 5xx, or early because the client disconnected.
 *
 * Not measured: requests that a guard rejects, other transports, and `@SkipPerformance()`. The
 * gateway measures its own routes, so an app with only the gateway does not need this interceptor.
 *
 * @example
 * { provide: APP_INTERCEPTOR, useClass: PerformanceInterceptor }
 */
@Injectable()
export class PerformanceInterceptor implements NestInterceptor {
  private readonly durations: RouteDurations;

  constructor(monitor: PerformanceMonitorService) {
    this.durations = new RouteDurations(monitor);
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() === 'http') {
      const [request, response] = context.getArgs<[RoutedRequest, RoutedResponse]>();
      this.durations.watch(request, response, { handler: context.getHandler(), controller: context.getClass() });
    }
    return next.handle();
  }
}
