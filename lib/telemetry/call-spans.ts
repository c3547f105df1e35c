// eslint-disable-next-line @typescript-eslint/ban-ts-comment
/** @ts-ignore: in the declarations, for those who compile without this optional peer */
import type * as OpenTelemetry from '@opentelemetry/api';
import type { AttemptStart, CallOutcome, CallStart, ObservedAttempt, ObservedCall } from '../common/call-observer.js';
import { VERSION } from '../common/version.js';
import { answerAttributes, attemptAttributes, callAttributes, endAttributes, targetAttributes } from './span-attributes.js';

type Api = typeof OpenTelemetry;

/** Starts the spans of calls. */
export class CallSpans {
  private readonly tracer: OpenTelemetry.Tracer;

  constructor(private readonly api: Api) {
    this.tracer = api.trace.getTracer('nestjs-fast-litellm', VERSION);
  }

  /** `undefined`: nothing would record the span. */
  started(call: CallStart): ObservedCall | undefined {
    const { api, tracer } = this;
    const options = { kind: api.SpanKind.CLIENT, attributes: callAttributes(call) };
    const span = tracer.startSpan(`${call.operation} ${call.model}`, options);
    return api.isSpanContextValid(span.spanContext()) ? new CallSpan(api, tracer, span, call) : undefined;
  }
}

class CallSpan implements ObservedCall {
  private readonly startMs = performance.now();
  private readonly context: OpenTelemetry.Context;
  private attempts = 0;
  private hasFirstChunk = false;

  constructor(
    private readonly api: Api,
    private readonly tracer: OpenTelemetry.Tracer,
    private readonly span: OpenTelemetry.Span,
    private readonly call: CallStart,
  ) {
    this.context = api.trace.setSpan(api.context.active(), span);
  }

  attempt(start: AttemptStart): ObservedAttempt {
    const { api } = this;
    this.attempts++;
    const target = targetAttributes(start);
    this.span.setAttributes(target);
    const options = { kind: api.SpanKind.CLIENT, attributes: { ...attemptAttributes(start), ...target } };
    const span = this.tracer.startSpan(`attempt ${start.model}`, options, this.context);
    return new AttemptSpan(api, span, api.trace.setSpan(this.context, span), () => this.firstChunk());
  }

  ended(outcome: CallOutcome): void {
    this.span.setAttributes({ ...answerAttributes(outcome), ...endAttributes(outcome), 'fast_litellm.attempts': this.attempts });
    endSpan(this.api, this.span, outcome);
  }

  private firstChunk(): void {
    if (this.hasFirstChunk || !this.call.stream) return;
    this.hasFirstChunk = true;
    this.span.setAttribute(TIME_TO_FIRST_CHUNK, secondsSince(this.startMs));
  }
}

class AttemptSpan implements ObservedAttempt {
  private readonly startMs = performance.now();

  constructor(
    private readonly api: Api,
    private readonly span: OpenTelemetry.Span,
    private readonly context: OpenTelemetry.Context,
    private readonly onFirstChunk: () => void,
  ) {}

  run<T>(send: () => T): T {
    return this.api.context.with(this.context, send);
  }

  firstChunk(): void {
    this.span.setAttribute(TIME_TO_FIRST_CHUNK, secondsSince(this.startMs));
    this.onFirstChunk();
  }

  ended(outcome: CallOutcome): void {
    // Only the call span has the usage, so that a sum over spans counts it once.
    this.span.setAttributes(endAttributes(outcome));
    endSpan(this.api, this.span, outcome);
  }
}

const TIME_TO_FIRST_CHUNK = 'gen_ai.response.time_to_first_chunk';

function secondsSince(startMs: number): number {
  return (performance.now() - startMs) / 1000;
}

function endSpan(api: Api, span: OpenTelemetry.Span, { error, cancelled }: CallOutcome): void {
  if (error !== undefined && cancelled !== true) span.setStatus({ code: api.SpanStatusCode.ERROR });
  span.end();
}
