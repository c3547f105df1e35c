import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
  type HistogramMetricData,
} from '@opentelemetry/sdk-metrics';
import type { AttemptStart, CallObserver, CallStart } from '../common/call-observer.js';
import { FastLiteLLMError } from '../common/errors.js';
import { FastLiteLLM } from '../fast-litellm.js';
import { deploymentOf, stopProviders } from '../../test/support/llm-client-providers.js';
import { recorder, sendChat } from '../../test/support/responses-gateway.js';
import { openTelemetryObserver } from './opentelemetry.js';

const chat: CallStart = { operation: 'chat', model: 'smart', stream: false };
const first: AttemptStart = {
  number: 1,
  deploymentId: 'west',
  model: 'gpt-4o',
  provider: 'azure',
  endpoint: 'https://west.example.com/openai',
};
const target = { 'gen_ai.provider.name': 'azure.ai.openai', 'server.address': 'west.example.com', 'server.port': 443 };
const DURATION = 'gen_ai.client.operation.duration';
const FIRST_CHUNK = 'gen_ai.client.operation.time_to_first_chunk';
const TOKENS = 'gen_ai.client.token.usage';

describe('with a meter provider', () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.DELTA);
  const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 30 })] });
  let observer: CallObserver;

  beforeAll(() => {
    // Before the SDK is there: apps start in any order.
    observer = openTelemetryObserver();
    expect(observer.started(chat)).toBeUndefined();
    metrics.setGlobalMeterProvider(provider);
  });
  afterAll(async () => {
    await provider.shutdown();
    metrics.disable();
  });

  /** What was recorded since the last time, by metric: attributes, count and sum of each series. */
  async function recorded() {
    exporter.reset();
    await provider.forceFlush();
    const found = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
    return new Map(
      found.map((metric) => {
        expect(metric.dataPointType).toBe(DataPointType.HISTOGRAM);
        const { dataPoints, descriptor } = metric as HistogramMetricData;
        return [descriptor.name, { unit: descriptor.unit, points: dataPoints }];
      }),
    );
  }

  const started = (call: CallStart) => observer.started(call)!;

  it('records duration and tokens of a call by the conventions', async () => {
    const call = started(chat);
    call.attempt(first).ended({ status: 200 });
    call.ended({ status: 200, inputTokens: 12, outputTokens: 40, responseModel: 'gpt-4o-2024-11-20' });
    const series = await recorded();
    const attributes = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'smart',
      'gen_ai.response.model': 'gpt-4o-2024-11-20',
      ...target,
    };
    expect([...series.keys()].sort()).toEqual([DURATION, TOKENS]);
    expect(series.get(DURATION)).toMatchObject({ unit: 's', points: [{ attributes, value: { count: 1 } }] });
    expect(series.get(TOKENS)).toMatchObject({
      unit: '{token}',
      points: [
        { attributes: { ...attributes, 'gen_ai.token.type': 'input' }, value: { count: 1, sum: 12 } },
        { attributes: { ...attributes, 'gen_ai.token.type': 'output' }, value: { count: 1, sum: 40 } },
      ],
    });
    expect(series.get(DURATION)?.points[0].value.buckets.boundaries).toEqual([
      0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    ]);
    expect(series.get(TOKENS)?.points[0].value.buckets.boundaries).toEqual([
      1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
    ]);
  });

  it('records the time to the first chunk of a stream once, whichever attempt it comes from', async () => {
    const call = started({ ...chat, stream: true });
    const failed = call.attempt(first);
    failed.ended({ status: 503 });
    const attempt = call.attempt({ ...first, number: 2, provider: 'anthropic' });
    expect(attempt.run(() => 'sent')).toBe('sent');
    attempt.firstChunk();
    attempt.firstChunk();
    attempt.ended({ status: 200 });
    call.ended({ status: 200 });
    const series = await recorded();
    expect(series.get(FIRST_CHUNK)).toMatchObject({
      unit: 's',
      points: [{ attributes: { 'gen_ai.provider.name': 'anthropic', 'gen_ai.request.model': 'smart' }, value: { count: 1 } }],
    });
    expect(series.get(FIRST_CHUNK)?.points[0].value.buckets.boundaries).toHaveLength(14);
    expect(series.get(DURATION)?.points).toHaveLength(1);
    expect(series.has(TOKENS)).toBe(false);
  });

  it('records an error by its type, and none for a cancelled call', async () => {
    const failing = started(chat);
    failing.attempt(first).ended({ status: 429 });
    failing.ended({ error: new FastLiteLLMError('PROVIDER_RATE_LIMIT', 'Rate limit of key sk-secret') });
    const cancelled = started(chat);
    cancelled.attempt(first).ended({ cancelled: true });
    cancelled.ended({ cancelled: true, error: new Error('aborted') });
    const points = (await recorded()).get(DURATION)?.points ?? [];
    expect(points.map(({ attributes }) => attributes['error.type'])).toEqual(['PROVIDER_RATE_LIMIT', undefined]);
    expect(JSON.stringify(points)).not.toContain('sk-secret');
  });

  it('records the calls of a client', async () => {
    const { apiBase } = await recorder((_, body, response) => sendChat(response, body, { content: 'Hello there.' }));
    const modelList = [deploymentOf('smart', { name: 'main', apiBase })];
    const llm = new FastLiteLLM({ router: { modelList }, telemetry: true, logger: { log: () => {}, warn: () => {}, error: () => {} } });
    const messages = [{ role: 'user', content: 'Hello' }];
    for await (const chunk of await llm.client.chat({ model: 'smart', messages, stream: true })) expect(chunk.id).toBe('chatcmpl-1');
    await expect(llm.client.chat({ model: 'unknown', messages })).rejects.toThrow();
    const series = await recorded();
    expect(series.get(FIRST_CHUNK)?.points).toMatchObject([{ attributes: { 'gen_ai.request.model': 'smart' }, value: { count: 1 } }]);
    expect(series.get(TOKENS)?.points.map(({ value }) => value.sum)).toEqual([11, 5]);
    expect(series.get(DURATION)?.points.map(({ attributes }) => attributes['error.type'])).toEqual([undefined, 'NO_DEPLOYMENT']);
    await llm.close();
    await stopProviders();
  });

  it('has no series for names of clients that no deployment was asked for, and at most 200 for others', async () => {
    for (let at = 0; at < 300; at++) started({ ...chat, model: `made-up-${at}` }).ended({ error: new TypeError('no such model') });
    expect((await recorded()).get(DURATION)?.points).toMatchObject([
      { attributes: { 'gen_ai.operation.name': 'chat', 'error.type': 'TypeError' }, value: { count: 300 } },
    ]);
    for (let at = 0; at < 300; at++) {
      const call = started({ ...chat, model: `wild-${at}` });
      call.attempt(first).ended({ status: 404 });
      call.ended({ status: 404 });
    }
    const points = (await recorded()).get(DURATION)?.points ?? [];
    const models = points.map(({ attributes }) => attributes['gen_ai.request.model']);
    expect(models.length).toBeLessThanOrEqual(201);
    expect(models).toContain('other');
  });
});

it('records nothing without a meter provider', () => {
  expect(openTelemetryObserver().started(chat)).toBeUndefined();
});
