import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CallSeries } from '../common/recorder.js';
import { whenOver } from '../common/response-end.js';
import { skipsPerformance } from '../common/skip-decorators.js';
import type { PerformanceMonitorService } from '../monitor/performance-monitor.service.js';

const COMPONENT = 'http';

/** Express's request, or Fastify's. */
export interface RoutedRequest {
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
  /** The pattern of the route; Express allows regular expressions, too. */
  readonly route?: { readonly path?: string | RegExp };
  readonly routeOptions?: { readonly url?: string };
}

/** Express's response, or Fastify's reply. */
export type RoutedResponse = ServerResponse & { readonly raw?: ServerResponse };

/** A handler and its class. */
export interface RouteHandler {
  readonly handler: { readonly name: string };
  readonly controller: { readonly name: string };
}

/** The series of a handler's latest request; the next request usually has the same route. */
interface KnownRoute {
  readonly method: string;
  readonly pattern: string | RegExp | undefined;
  /** `null`: not measured. */
  readonly series: CallSeries | null;
}

/**
 * Records the duration of requests by the pattern of their route (`POST /v1/models/:id`), never by
 * the URL.
 */
export class RouteDurations {
  private readonly routes = new WeakMap<object, KnownRoute>();

  constructor(private readonly monitor: PerformanceMonitorService) {}

  /** Measures a request from now to the end of its response. */
  watch(request: RoutedRequest, response: RoutedResponse, route: RouteHandler): void {
    if (!this.monitor.isOn) return;
    const startMs = performance.now();
    const raw = response.raw ?? response;
    const { method, routeOptions } = request;
    const pattern = routeOptions === undefined ? request.route?.path : routeOptions.url;
    const known = this.routes.get(route.handler);
    const isKnown = known !== undefined && known.method === method && known.pattern === pattern;
    const series = isKnown ? known.series : this.learn({ method, pattern }, route);
    if (series === null) return;
    whenOver(raw, () => {
      const size = Number(request.headers['content-length'] ?? 0);
      series.record(performance.now() - startMs, raw.statusCode < 500 && raw.writableFinished, size > 0 ? size : 0);
    });
  }

  private learn({ method, pattern }: Omit<KnownRoute, 'series'>, { handler, controller }: RouteHandler): CallSeries | null {
    const route = pattern === undefined ? `${controller.name}.${handler.name}` : `${method} ${pattern}`;
    const series = skipsPerformance(handler, controller) ? null : this.monitor.series(COMPONENT, route);
    this.routes.set(handler, { method, pattern, series });
    return series;
  }
}
