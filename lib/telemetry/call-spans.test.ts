import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace-base';
import type { AttemptStart, CallObserver, CallStart, ObservedCall } from '../common/call-observer.js';
import { FastLiteLLMError } from '../common/errors.js';
import { hasOpenTelemetry, openTelemetryObserver } from './opentelemetry.js';
import { errorType } from './span-attributes.js';

const chat: CallStart = { operation: 'chat', model: 'smart', stream: false };
const first: AttemptStart = {
  number: 1,
  deploymentId: 'west',
  model: 'gpt-4o',
  provider: 'azure',
  endpoint: 'https://user:sk-secret@west.example.com/openai?key=sk-secret',
};

describe('with an SDK', () => {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const contextManager = new AsyncLocalStorageContextManager().enable();
  let observer: { started(call: CallStart): ObservedCall };

  beforeAll(() => {
    trace.setGlobalTracerProvider(provider);
    context.setGlobalContextManager(contextManager);
    const opened = openTelemetryObserver();
    observer = {
      started: (call) => {
        const observed = opened.started(call);
        if (observed === undefined) throw new Error('no observer');
        return observed;
      },
    };
  });
  beforeEach(() => exporter.reset());
  afterAll(async () => {
    await provider.shutdown();
    trace.disable();
    context.disable();
    propagation.disable();
  });

  const spanNamed = (name: string): ReadableSpan => {
    const found = exporter.getFinishedSpans().filter((span) => span.name === name);
    expect(found).toHaveLength(1);
    return found[0];
  };

  it('creates a span for the call, and a child for its attempt', () => {
    const call = observer.started({ ...chat, maxTokens: 100, temperature: 0.2, topP: 0.9, choices: 2 });
    call.attempt(first).ended({ status: 200, inputTokens: 12, outputTokens: 40 });
    call.ended({
      status: 200,
      inputTokens: 12,
      outputTokens: 40,
      cacheReadTokens: 8,
      reasoningTokens: 3,
      responseModel: 'gpt-4o-2024-11-20',
      responseId: 'chatcmpl-1',
      finishReasons: ['stop', 'length'],
    });
    const span = spanNamed('chat smart');
    expect(span.kind).toBe(SpanKind.CLIENT);
    expect(span.status.code).toBe(SpanStatusCode.UNSET);
    expect(span.attributes).toEqual({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'azure.ai.openai',
      'gen_ai.request.model': 'smart',
      'gen_ai.request.max_tokens': 100,
      'gen_ai.request.temperature': 0.2,
      'gen_ai.request.top_p': 0.9,
      'gen_ai.request.choice.count': 2,
      'gen_ai.response.model': 'gpt-4o-2024-11-20',
      'gen_ai.response.id': 'chatcmpl-1',
      'gen_ai.response.finish_reasons': ['stop', 'length'],
      'gen_ai.usage.input_tokens': 12,
      'gen_ai.usage.output_tokens': 40,
      'gen_ai.usage.cache_read.input_tokens': 8,
      'gen_ai.usage.reasoning.output_tokens': 3,
      'server.address': 'west.example.com',
      'server.port': 443,
      'http.response.status_code': 200,
      'fast_litellm.attempts': 1,
    });
    const attempt = spanNamed('attempt gpt-4o');
    expect(attempt.parentSpanContext?.spanId).toBe(span.spanContext().spanId);
    expect(attempt.kind).toBe(SpanKind.CLIENT);
    expect(attempt.attributes).toEqual({
      'gen_ai.provider.name': 'azure.ai.openai',
      'gen_ai.request.model': 'gpt-4o',
      'server.address': 'west.example.com',
      'server.port': 443,
      'http.response.status_code': 200,
      'fast_litellm.attempt': 1,
      'fast_litellm.deployment.id': 'west',
    });
    expect(span.instrumentationScope.name).toBe('nestjs-fast-litellm');
  });

  it('records retries and fallbacks as attempts, and failed ones as errors', () => {
    const call = observer.started(chat);
    const limited = new FastLiteLLMError('PROVIDER_RATE_LIMIT', 'Rate limit of key sk-secret, prompt "my diary"');
    call.attempt(first).ended({ error: limited, status: 429 });
    const second = { number: 2, deploymentId: 'east', model: 'claude', provider: 'anthropic', endpoint: 'http://127.0.0.1:8080' };
    call.attempt({ ...second, fallbackGroup: 'backup' }).ended({ status: 200 });
    call.ended({ status: 200, inputTokens: 1, outputTokens: 2 });
    const failed = spanNamed('attempt gpt-4o');
    expect(failed.status.code).toBe(SpanStatusCode.ERROR);
    expect(failed.attributes).toMatchObject({ 'error.type': 'PROVIDER_RATE_LIMIT', 'http.response.status_code': 429 });
    expect(spanNamed('attempt claude').attributes).toMatchObject({
      'fast_litellm.attempt': 2,
      'http.request.resend_count': 1,
      'fast_litellm.fallback.group': 'backup',
    });
    const whole = spanNamed('chat smart');
    expect(whole.status.code).toBe(SpanStatusCode.UNSET);
    expect(whole.attributes).toMatchObject({
      'gen_ai.provider.name': 'anthropic',
      'server.address': '127.0.0.1',
      'server.port': 8080,
      'fast_litellm.attempts': 2,
    });
    const everything = JSON.stringify(
      exporter.getFinishedSpans().map(({ name, attributes, status, events }) => [name, attributes, status, events]),
    );
    expect(everything).not.toMatch(/sk-secret|diary/);
  });

  it('records the error of a failed call, and none for a cancelled one', () => {
    const failing = observer.started(chat);
    failing.ended({ error: new TypeError('x') });
    expect(spanNamed('chat smart')).toMatchObject({
      status: { code: SpanStatusCode.ERROR },
      attributes: { 'error.type': 'TypeError', 'fast_litellm.attempts': 0 },
    });
    exporter.reset();
    const cancelled = observer.started(chat);
    cancelled.attempt(first).ended({ cancelled: true, error: new Error('aborted') });
    cancelled.ended({ cancelled: true, error: new Error('aborted'), outputTokens: 7 });
    for (const span of exporter.getFinishedSpans()) {
      expect(span.status.code).toBe(SpanStatusCode.UNSET);
      expect(span.attributes).toMatchObject({ 'fast_litellm.cancelled': true });
      expect(span.attributes).not.toHaveProperty('error.type');
    }
    expect(spanNamed('chat smart').attributes).toMatchObject({ 'gen_ai.usage.output_tokens': 7 });
  });

  it('records the time to the first chunk', () => {
    const call = observer.started({ ...chat, stream: true });
    const attempt = call.attempt(first);
    attempt.firstChunk();
    attempt.ended({ status: 200 });
    call.ended({ status: 200 });
    for (const name of ['attempt gpt-4o', 'chat smart']) {
      expect(spanNamed(name).attributes['gen_ai.response.time_to_first_chunk']).toEqual(expect.any(Number));
    }
    expect(spanNamed('chat smart').attributes['gen_ai.request.stream']).toBe(true);
  });

  it('is a child of the active span, and the parent of the spans of its requests', async () => {
    const tracer = trace.getTracer('test');
    const outer = tracer.startSpan('request');
    await context.with(trace.setSpan(context.active(), outer), async () => {
      const call = observer.started(chat);
      const attempt = call.attempt(first);
      const answer = await attempt.run(async () => {
        await Promise.resolve();
        tracer.startSpan('http').end();
        return 'answer';
      });
      expect(answer).toBe('answer');
      expect(() =>
        attempt.run(() => {
          throw new RangeError('thrown on');
        }),
      ).toThrow(RangeError);
      attempt.ended({});
      call.ended({});
    });
    outer.end();
    const parent = (name: string) => spanNamed(name).parentSpanContext?.spanId;
    expect(parent('http')).toBe(spanNamed('attempt gpt-4o').spanContext().spanId);
    expect(parent('chat smart')).toBe(outer.spanContext().spanId);
  });

  it('omits unknown values', () => {
    const call = observer.started({ operation: 'embeddings', model: 'embed', stream: false });
    call.attempt({ number: 1, deploymentId: 'd', model: 'm', endpoint: 'not a url' }).ended({});
    call.ended({});
    expect(spanNamed('attempt m').attributes).toEqual({
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'm',
      'fast_litellm.attempt': 1,
      'fast_litellm.deployment.id': 'd',
    });
  });
});

describe('without an SDK', () => {
  it('records nothing', () => {
    expect(openTelemetryObserver().started(chat)).toBeUndefined();
  });

  it('names the package when it is missing', () => {
    expect(hasOpenTelemetry()).toBe(true);
    jest.isolateModules(() => {
      jest.doMock('../common/optional-package.js', () => ({ isInstalled: () => false }));
      const { openTelemetryObserver } = jest.requireActual<{ openTelemetryObserver: () => CallObserver }>('./opentelemetry.js');
      expect(openTelemetryObserver).toThrow(expect.objectContaining({ code: 'MISSING_PACKAGE', packageName: '@opentelemetry/api' }));
      jest.dontMock('../common/optional-package.js');
    });
  });

  it('loads the package only after an SDK has registered', () => {
    const global = globalThis as Record<symbol, unknown>;
    const registered = Symbol.for('opentelemetry.js.api.1');
    const { [registered]: kept } = global;
    delete global[registered];
    const load = jest.fn(() => jest.requireActual<object>('@opentelemetry/api'));
    jest.isolateModules(() => {
      jest.doMock('@opentelemetry/api', load);
      const { openTelemetryObserver } = jest.requireActual<{ openTelemetryObserver: () => CallObserver }>('./opentelemetry.js');
      const observer = openTelemetryObserver();
      expect(observer.started(chat)).toBeUndefined();
      expect(load).not.toHaveBeenCalled();
      global[registered] = kept;
      expect(observer.started(chat)).toBeUndefined();
      expect(load).toHaveBeenCalledTimes(1);
      jest.dontMock('@opentelemetry/api');
    });
  });
});

describe('error.type', () => {
  it.each<[unknown, number | undefined, string]>([
    [new FastLiteLLMError('POOL_TIMEOUT', 'x'), undefined, 'POOL_TIMEOUT'],
    [Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), undefined, 'ECONNREFUSED'],
    [Object.assign(new Error('x'), { code: 'the key sk-1 is wrong' }), 401, '401'],
    [new Error('x'), 503, '503'],
    [new RangeError('x'), undefined, 'RangeError'],
    [Object.assign(new Error('x'), { name: 'said by sk-1' }), undefined, '_OTHER'],
    ['sk-1', undefined, '_OTHER'],
    [null, undefined, '_OTHER'],
  ])('%# is %3$s', (error, status, expected) => expect(errorType(error, status)).toBe(expected));
});
