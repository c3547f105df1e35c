// eslint-disable-next-line @typescript-eslint/ban-ts-comment
/** @ts-ignore: in the declarations, for those who compile without this optional peer */
import type * as OpenTelemetry from '@opentelemetry/api';
import type { AttemptStart, CallOutcome, CallStart, ObservedAttempt, ObservedCall } from '../common/call-observer.js';
import { VERSION } from '../common/version.js';
import { errorType, targetAttributes, type SpanAttributes } from './span-attributes.js';

type Api = typeof OpenTelemetry;

// The boundaries that the conventions recommend.
const SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const TOKENS = Array.from({ length: 14 }, (_, exponent) => 4 ** exponent);

interface Instruments {
  readonly duration: OpenTelemetry.Histogram;
  readonly firstChunk: OpenTelemetry.Histogram;
  readonly tokens: OpenTelemetry.Histogram;
}

/** Records the calls in histograms of the app's meter provider. */
export class CallHistograms {
  /** Whose instruments these are; `undefined` instruments: it records nothing. */
  provider: OpenTelemetry.MeterProvider | undefined = undefined;
  instruments: Instruments | undefined = undefined;
  private readonly models = new BoundedNames();

  constructor(private readonly api: Api) {}

  /** @param span of the call, which receives the same events */
  started(call: CallStart, instruments: Instruments, span: ObservedCall | undefined): ObservedCall {
    return new MeteredCall(instruments, this.models, call, span);
  }

  /** Takes another provider: instruments made without one would never record anything. */
  use(provider: OpenTelemetry.MeterProvider): void {
    this.provider = provider;
    const meter = provider.getMeter('nestjs-fast-litellm', VERSION);
    this.instruments = meter === this.api.createNoopMeter() ? undefined : instrumentsOf(meter);
  }
}

function instrumentsOf(meter: OpenTelemetry.Meter): Instruments {
  const histogram = (name: string, description: string, unit: string, explicitBucketBoundaries: number[]): OpenTelemetry.Histogram =>
    meter.createHistogram(name, { description, unit, advice: { explicitBucketBoundaries } });
  return {
    duration: histogram('gen_ai.client.operation.duration', 'GenAI operation duration.', 's', SECONDS),
    firstChunk: histogram('gen_ai.client.operation.time_to_first_chunk', 'Time to receive the first chunk.', 's', SECONDS),
    tokens: histogram('gen_ai.client.token.usage', 'Number of input and output tokens used.', '{token}', TOKENS),
  };
}

const MAX_NAMES = 200;
const OTHER = 'other';

/**
 * Limits names that come from clients and providers: those after the first 200 share one series.
 */
class BoundedNames {
  private readonly names = new Set<string>();

  bounded(name: string): string {
    if (this.names.has(name)) return name;
    if (this.names.size >= MAX_NAMES) return OTHER;
    this.names.add(name);
    return name;
  }
}

class MeteredCall implements ObservedCall {
  private readonly startMs = performance.now();
  private target: SpanAttributes | undefined = undefined;
  private hasFirstChunk = false;

  constructor(
    private readonly instruments: Instruments,
    private readonly models: BoundedNames,
    private readonly call: CallStart,
    private readonly span: ObservedCall | undefined,
  ) {}

  attempt(start: AttemptStart): ObservedAttempt {
    this.target = targetAttributes(start);
    const span = this.span?.attempt(start);
    return {
      run: (send) => (span === undefined ? send() : span.run(send)),
      firstChunk: () => {
        this.firstChunk();
        span?.firstChunk();
      },
      ended: (outcome) => span?.ended(outcome),
    };
  }

  ended(outcome: CallOutcome): void {
    const { duration, tokens } = this.instruments;
    const { error, status, cancelled, inputTokens, outputTokens, responseModel } = outcome;
    const failed = error !== undefined && cancelled !== true;
    const attributes = this.attributes();
    if (responseModel !== undefined) attributes['gen_ai.response.model'] = this.models.bounded(responseModel);
    duration.record(this.seconds(), failed ? { ...attributes, 'error.type': errorType(error, status) } : attributes);
    // A call that reached no provider has no tokens.
    if (inputTokens !== undefined) tokens.record(inputTokens, { ...attributes, 'gen_ai.token.type': 'input' });
    if (outputTokens !== undefined) tokens.record(outputTokens, { ...attributes, 'gen_ai.token.type': 'output' });
    this.span?.ended(outcome);
  }

  private firstChunk(): void {
    if (this.hasFirstChunk || !this.call.stream) return;
    this.hasFirstChunk = true;
    this.instruments.firstChunk.record(this.seconds(), this.attributes());
  }

  /** A model that no deployment has been asked for is any text of a client: it has no series. */
  private attributes(): SpanAttributes {
    const operation = { 'gen_ai.operation.name': this.call.operation };
    if (this.target === undefined) return operation;
    return { ...operation, 'gen_ai.request.model': this.models.bounded(this.call.model), ...this.target };
  }

  private seconds(): number {
    return (performance.now() - this.startMs) / 1000;
  }
}
