import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Observable } from 'rxjs';
import type { CallSeries } from '../common/recorder.js';
import { whenOver } from '../common/response-over.js';
import { skipsPerformance } from '../common/skip-performance.js';
import { PerformanceMonitorService } from '../monitor/performance-monitor.service.js';

const COMPONENT = 'http';

/** Express's request, or Fastify's. */
interface RoutedRequest {
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
  /** The pattern of the route; Express allows regular expressions, too. */
  readonly route?: { readonly path?: string | RegExp };
  readonly routeOptions?: { readonly url?: string };
}

/** The series of a handler's latest request: the next one mostly has the same route. */
interface KnownRoute {
  readonly method: string;
  readonly pattern: string | RegExp | undefined;
  /** `null`: not measured. */
  readonly series: CallSeries | null;
}

/**
 * Measures HTTP requests from the end of the guards to the end of the response, streams included,
 * as component `http` and the pattern of the route (`POST /v1/models/:id`), never the URL. A
 * request has failed when it ends with a 5xx, or early because the client disconnected.
 *
 * Not measured: requests that a guard rejects, other transports, and `@SkipPerformance()`.
 *
 * @example
 * { provide: APP_INTERCEPTOR, useClass: PerformanceInterceptor }
 */
@Injectable()
export class PerformanceInterceptor implements NestInterceptor {
  private readonly routes = new WeakMap<object, KnownRoute>();

  constructor(private readonly monitor: PerformanceMonitorService) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (this.monitor.isOn && context.getType() === 'http') this.watch(context);
    return next.handle();
  }

  private watch(context: ExecutionContext): void {
    const start = performance.now();
    const [request, response] = context.getArgs<[RoutedRequest, ServerResponse & { readonly raw?: ServerResponse }]>();
    const raw = response.raw ?? response;
    const series = this.seriesOf(request, context);
    if (series === null) return;
    whenOver(raw, () => {
      const size = Number(request.headers['content-length'] ?? 0);
      series.record(performance.now() - start, raw.statusCode < 500 && raw.writableFinished, size > 0 ? size : 0);
    });
  }

  private seriesOf(request: RoutedRequest, context: ExecutionContext): CallSeries | null {
    const { method } = request;
    const pattern = request.routeOptions === undefined ? request.route?.path : request.routeOptions.url;
    const handler = context.getHandler();
    const known = this.routes.get(handler);
    if (known !== undefined && known.method === method && known.pattern === pattern) return known.series;
    const route = pattern === undefined ? `${context.getClass().name}.${handler.name}` : `${method} ${pattern}`;
    const series = skipsPerformance(handler, context.getClass()) ? null : this.monitor.series(COMPONENT, route);
    this.routes.set(handler, { method, pattern, series });
    return series;
  }
}
