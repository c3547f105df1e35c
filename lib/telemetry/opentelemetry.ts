// eslint-disable-next-line @typescript-eslint/ban-ts-comment
/** @ts-ignore: in the declarations, for those who compile without this optional peer */
import type * as OpenTelemetry from '@opentelemetry/api';
import type { CallObserver } from '../common/call-observer.js';
import { MissingPackageError } from '../common/errors.js';
import { isInstalled } from '../common/optional-package.js';
import type * as Metrics from './call-histograms.js';
import type * as Spans from './call-spans.js';

const PACKAGE = '@opentelemetry/api';
/**
 * The global in which all copies of the package, version 1, store a registered SDK. Without it
 * nothing is recorded, so the package is not loaded. Apps start the SDK before or after this.
 */
const REGISTERED = Symbol.for('opentelemetry.js.api.1');

/**
 * Records model calls as OpenTelemetry spans and metrics, following the semantic conventions for
 * generative AI: a span for the call, with usage and response, a child span for each attempt, and
 * histograms of durations, times to the first chunk and tokens. They contain no text of a prompt or
 * an answer, no key and no error message.
 *
 * @throws MissingPackageError without `@opentelemetry/api`.
 */
export function openTelemetryObserver(): CallObserver {
  if (!hasOpenTelemetry()) throw new MissingPackageError(PACKAGE, 'telemetry');
  let recorder: CallObserver | undefined;
  return {
    started(call) {
      if (recorder === undefined && !(REGISTERED in globalThis)) return undefined;
      recorder ??= openRecorder();
      return recorder.started(call);
    },
  };
}

/** Whether `@opentelemetry/api` is installed. */
export function hasOpenTelemetry(): boolean {
  return isInstalled(() => require.resolve('@opentelemetry/api'));
}

function openRecorder(): CallObserver {
  /* eslint-disable @typescript-eslint/no-require-imports -- only apps with an SDK load them */
  const api = require('@opentelemetry/api') as typeof OpenTelemetry;
  const { CallSpans } = require('./call-spans.js') as typeof Spans;
  const { CallHistograms } = require('./call-histograms.js') as typeof Metrics;
  /* eslint-enable */
  const spans = new CallSpans(api);
  const metrics = new CallHistograms(api);
  const tracers = api.trace.getTracerProvider();
  const noTracers = new api.ProxyTracerProvider().getDelegate();
  return {
    started(call) {
      // An SDK may have registered only one of both, or be shut down.
      const isTraced = !(tracers instanceof api.ProxyTracerProvider) || tracers.getDelegate() !== noTracers;
      const meters = api.metrics.getMeterProvider();
      if (meters !== metrics.provider) metrics.use(meters);
      const span = isTraced ? spans.started(call) : undefined;
      return metrics.instruments === undefined ? span : metrics.started(call, metrics.instruments, span);
    },
  };
}
