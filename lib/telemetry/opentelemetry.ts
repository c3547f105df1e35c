// eslint-disable-next-line @typescript-eslint/ban-ts-comment
/** @ts-ignore: in the declarations, for those who compile without this optional peer */
import type * as OpenTelemetry from '@opentelemetry/api';
import type { CallObserver } from '../common/call-observer.js';
import { loadOptionalPackage } from '../common/optional-package.js';
import type * as Metrics from './call-metrics.js';
import type * as Spans from './call-spans.js';

/**
 * Records model calls as OpenTelemetry spans and metrics, following the semantic conventions for
 * generative AI: a span for the call, with usage and response, a child span for each attempt, and
 * histograms of durations, times to the first chunk and tokens. They contain no text of a prompt or
 * an answer, no key and no error message.
 *
 * @throws MissingPackageError without `@opentelemetry/api`.
 */
export function openTelemetryObserver(): CallObserver {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only when asked: an optional peer
  const api = loadOptionalPackage('@opentelemetry/api', 'telemetry', () => require('@opentelemetry/api') as typeof OpenTelemetry);
  /* eslint-disable @typescript-eslint/no-require-imports -- only apps with telemetry load them */
  const { CallSpans } = require('./call-spans.js') as typeof Spans;
  const { CallMetrics } = require('./call-metrics.js') as typeof Metrics;
  /* eslint-enable */
  const spans = new CallSpans(api);
  const metrics = new CallMetrics(api);
  const tracers = api.trace.getTracerProvider();
  const noTracers = new api.ProxyTracerProvider().getDelegate();
  return {
    started(call) {
      // The package without an SDK records nothing. Apps start the SDK before or after this.
      const isTraced = !(tracers instanceof api.ProxyTracerProvider) || tracers.getDelegate() !== noTracers;
      const meters = api.metrics.getMeterProvider();
      if (meters !== metrics.provider) metrics.use(meters);
      const span = isTraced ? spans.started(call) : undefined;
      return metrics.instruments === undefined ? span : metrics.started(call, metrics.instruments, span);
    },
  };
}

/** Whether `@opentelemetry/api` is installed. */
export function hasOpenTelemetry(): boolean {
  try {
    require.resolve('@opentelemetry/api');
    return true;
  } catch {
    return false;
  }
}
