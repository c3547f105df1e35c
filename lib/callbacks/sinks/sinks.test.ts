import { createHash, createHmac } from 'node:crypto';
import { SinkServer, type SunkRequest } from '../../../test/support/sink-server.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import type { CallbackSink } from '../delivery.js';
import type { LoggingPayload } from '../logging-payload.js';
import { createSink } from '../sink-settings.environment.js';
import type { SinkName } from '../sink-names.js';

let server: SinkServer;
beforeAll(async () => {
  server = await SinkServer.start();
});
afterAll(() => server.stop());
beforeEach(() => {
  server.requests.length = 0;
  server.reply = () => 200;
});

const payload: LoggingPayload = {
  id: 'chatcmpl-1',
  trace_id: 'session-1',
  session_id: 'session-1',
  litellm_call_id: '6f1e1d9e-0000-4000-8000-000000000001',
  call_type: 'acompletion',
  stream: true,
  status: 'success',
  status_fields: { llm_api_status: 'success' },
  response_cost: 1e-6,
  cost_breakdown: {
    input_cost: 4e-7,
    output_cost: 6e-7,
    cache_read_cost: 1e-7,
    cache_creation_cost: 0,
    tool_usage_cost: 0,
    total_cost: 1e-6,
    original_cost: 1e-6,
  },
  saved_cache_cost: 0,
  cache_hit: null,
  cache_key: null,
  custom_llm_provider: 'openai',
  model: 'gpt-4o',
  model_id: 'd1',
  model_group: 'smart',
  api_base: 'api.openai.com',
  total_tokens: 140,
  prompt_tokens: 100,
  completion_tokens: 40,
  startTime: 1_700_000_000.501234,
  endTime: 1_700_000_002,
  completionStartTime: 1_700_000_000.75,
  response_time: 0.25,
  request_tags: ['blue'],
  end_user: 'eve',
  requester_ip_address: null,
  user_agent: null,
  messages: [{ role: 'user', content: 'Hello' }],
  response: { choices: [{ message: { role: 'assistant', content: 'Hi' } }] },
  model_parameters: { temperature: 0.5 },
  error_str: null,
  error_information: null,
  hidden_params: {
    usage_object: {
      prompt_tokens_details: { cached_tokens: 30, cache_creation_tokens: 10 },
      completion_tokens_details: { reasoning_tokens: 15 },
    },
  },
  guardrail_information: [],
  metadata: { user_api_key_hash: 'k1', user_api_key_team_id: 'red', requester_metadata: { note: 'n' } },
  w3c_trace_id: 'ab'.repeat(16),
  attempts: [
    { number: 1, model: 'gpt-4o', custom_llm_provider: 'openai', status: 'success', startTime: 1_700_000_000.6, response_time: 1 },
  ],
};
const failed: LoggingPayload = { ...payload, status: 'failure', error_str: 'PROVIDER_TIMEOUT', response: null };
const line = (changes: Partial<LoggingPayload> = {}): string => JSON.stringify({ ...payload, ...changes });
const signal = new AbortController().signal;

function create(kind: SinkName, env: Environment, settings: object = {}, s3: object = {}, name: string = kind): CallbackSink {
  return createSink(kind, name, { env, settings: { ...settings }, s3: { ...s3 } });
}
const first = (): SunkRequest => server.requests[0];

describe('generic_api', () => {
  it('sends an array with the headers of the environment', async () => {
    const env = { GENERIC_LOGGER_ENDPOINT: `${server.url}/logs`, GENERIC_LOGGER_HEADERS: 'Authorization=Bearer%20x,x-team=a=b' };
    await create('generic_api', env).send([line(), line({ id: '2' })], signal);
    const { method, path, headers, body } = first();
    expect([method, path, headers.authorization, headers['x-team']]).toEqual(['POST', '/logs', 'Bearer x', 'a=b']);
    expect((JSON.parse(body) as LoggingPayload[]).map(({ id }) => id)).toEqual(['chatcmpl-1', '2']);
    expect(headers['x-signature-256']).toBeUndefined();
  });

  it('sends a line for each, or a request for each', async () => {
    const settings = { callback_type: 'generic_api', endpoint: server.url, headers: { 'X-Key': 'k' } };
    await create('generic_api', {}, { ...settings, log_format: 'ndjson' }, {}, 'mine').send([line(), line()], signal);
    expect(first().body).toBe(`${line()}\n${line()}\n`);
    expect(first().headers).toMatchObject({ 'content-type': 'application/x-ndjson', 'x-key': 'k' });
    await create('generic_api', {}, { ...settings, log_format: 'single' }).send([line(), line()], signal);
    expect(server.requests.slice(1).map(({ body }) => body)).toEqual([line(), line()]);
  });

  it('signs the bytes of the body', async () => {
    await create('generic_api', {}, { endpoint: server.url, signing_secret: 'secret' }).send([line({ end_user: 'ü' })], signal);
    const { headers, body } = first();
    expect(headers['x-signature-256']).toBe(`sha256=${createHmac('sha256', 'secret').update(body).digest('hex')}`);
  });

  it('gets the calls of its event types', () => {
    const sink = create('generic_api', {}, { endpoint: server.url, event_types: ['llm_api_failure'] });
    expect([sink.wants?.(true), sink.wants?.(false)]).toEqual([false, true]);
  });
});

interface SentSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: object;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
}
const sentSpans = ({ body }: SunkRequest): SentSpan[] => {
  const { resourceSpans } = JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: SentSpan[] }[] }[] };
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
};
const attributesOf = (span: SentSpan): Record<string, unknown> =>
  Object.fromEntries(span.attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

describe('otel', () => {
  it('sends the spans of LiteLLM in JSON', async () => {
    const env = { OTEL_ENDPOINT: server.url, OTEL_HEADERS: 'api-key=abc', OTEL_SERVICE_NAME: 'gateway', OTEL_EXPORTER: 'otlp_http' };
    await create('otel', env).send([line()], signal);
    const { path, headers, body } = first();
    expect([path, headers['api-key'], headers['content-type']]).toEqual(['/v1/traces', 'abc', 'application/json']);
    expect(body).toContain('{"key":"service.name","value":{"stringValue":"gateway"}}');
    const [request, attempt] = sentSpans(first());
    expect(request).toMatchObject({
      name: 'Received Proxy Server Request',
      traceId: 'ab'.repeat(16),
      kind: 2,
      startTimeUnixNano: '1700000000501234000',
      endTimeUnixNano: '1700000002000000000',
      status: { code: 1 },
    });
    expect(attempt).toMatchObject({ name: 'raw_gen_ai_request', parentSpanId: request.spanId, traceId: request.traceId, kind: 3 });
    expect(attributesOf(request)).toMatchObject({
      'litellm.call_id': payload.litellm_call_id,
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.usage.input_tokens': '100',
      'gen_ai.usage.output_tokens': '40',
      'gen_ai.cost.total_cost': 1e-6,
      'gen_ai.cost.input_cost': 4e-7,
      'gen_ai.request.temperature': 0.5,
      'metadata.user_api_key_team_id': 'red',
      'metadata.requester_metadata': '{"note":"n"}',
      'gen_ai.input.messages': '[{"role":"user","content":"Hello"}]',
      'gen_ai.output.messages': '[{"role":"assistant","content":"Hi"}]',
    });
  });

  it('puts the call into a span of its own if LiteLLM does, and marks failures', async () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `${server.url}/otlp/`, USE_OTEL_LITELLM_REQUEST_SPAN: 'true' };
    await create('otel', env).send([JSON.stringify(failed)], signal);
    expect(first().path).toBe('/otlp/v1/traces');
    const [root, call, attempt] = sentSpans(first());
    expect([root.name, call.name, call.parentSpanId, attempt.parentSpanId]).toEqual([
      'Received Proxy Server Request',
      'litellm_request',
      root.spanId,
      call.spanId,
    ]);
    expect(call.status).toEqual({ code: 2, message: 'PROVIDER_TIMEOUT' });
  });

  it('sends to the address for traces as it is', async () => {
    await create('otel', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${server.url}/mine` }).send([line()], signal);
    expect(first().path).toBe('/mine');
  });

  it('fails if the collector rejects spans', async () => {
    server.reply = () => ({ status: 200, body: '{"partialSuccess":{"rejectedSpans":"2","errorMessage":"quotes"}}' });
    await expect(create('otel', { OTEL_ENDPOINT: server.url }).send([line()], signal)).rejects.toMatchObject({
      fault: 'rejected',
      message: '2 spans were rejected',
    });
  });
});

describe('langfuse', () => {
  const env = { LANGFUSE_PUBLIC_KEY: 'pk', LANGFUSE_SECRET_KEY: 'sk' };

  it.each([
    ['langfuse', 'LANGFUSE_HOST'],
    ['langfuse_otel', 'LANGFUSE_OTEL_HOST'],
  ] as const)('%s sends a generation to the address of %s', async (name, variable) => {
    await create(name, { ...env, [variable]: server.url, LANGFUSE_RELEASE: 'r1' }).send([line()], signal);
    const { path, headers } = first();
    expect(path).toBe('/api/public/otel/v1/traces');
    expect(headers).toMatchObject({
      authorization: `Basic ${Buffer.from('pk:sk').toString('base64')}`,
      'x-langfuse-ingestion-version': '4',
      'content-type': 'application/json',
    });
    const [span] = sentSpans(first());
    expect(span).toMatchObject({ traceId: 'ab'.repeat(16), name: 'litellm-acompletion' });
    expect(attributesOf(span)).toMatchObject({
      'langfuse.observation.type': 'generation',
      'langfuse.observation.model.name': 'gpt-4o',
      'langfuse.observation.model.parameters': '{"temperature":0.5}',
      'langfuse.observation.input': '[{"role":"user","content":"Hello"}]',
      'langfuse.observation.output': '[{"role":"assistant","content":"Hi"}]',
      'langfuse.observation.cost_details': '{"total":0.000001}',
      'langfuse.observation.level': 'DEFAULT',
      'langfuse.trace.name': 'litellm-acompletion',
      'langfuse.session.id': 'session-1',
      'langfuse.user.id': 'eve',
      'langfuse.release': 'r1',
      'langfuse.observation.metadata.user_api_key_hash': 'k1',
      'langfuse.observation.metadata.note': 'n',
    });
    const usage = JSON.parse(String(attributesOf(span)['langfuse.observation.usage_details'])) as Record<string, number>;
    const { total, ...parts } = usage;
    expect(usage).toMatchObject({ cache_read_input_tokens: 30, cache_creation_input_tokens: 10, output_reasoning_tokens: 15 });
    expect(Object.values(parts).reduce((sum, each) => sum + each)).toBe(total);
  });

  it("uses the request's own trace, session, user and names, and masks what it masks", async () => {
    const own = { trace_id: 'my trace', trace_name: 'job', session_id: 's2', trace_user_id: 'u2', generation_name: 'step' };
    const metadata = { ...payload.metadata, requester_metadata: { ...own, mask_input: 'true', tags: ['green'] } };
    await create('langfuse', { ...env, LANGFUSE_HOST: server.url }).send([line({ metadata })], signal);
    const [span] = sentSpans(first());
    expect(span).toMatchObject({ traceId: createHash('sha256').update('my trace').digest('hex').slice(0, 32), name: 'step' });
    expect(attributesOf(span)).toMatchObject({
      'langfuse.trace.name': 'job',
      'langfuse.session.id': 's2',
      'langfuse.user.id': 'u2',
      'langfuse.observation.input': 'redacted-by-litellm',
      'langfuse.trace.input': 'redacted-by-litellm',
      'langfuse.trace.tags': { values: [{ stringValue: 'blue' }, { stringValue: 'green' }] },
    });
  });

  it('adds to an existing trace without changing it', async () => {
    const metadata = { requester_metadata: { existing_trace_id: '12'.repeat(16) } };
    await create('langfuse', { ...env, LANGFUSE_HOST: server.url }).send([line({ metadata })], signal);
    const [span] = sentSpans(first());
    expect(span.traceId).toBe('12'.repeat(16));
    expect(Object.keys(attributesOf(span)).filter((key) => /langfuse\.trace\.(?!tags)/.test(key))).toEqual([]);
  });

  it('has the same ids when a payload is sent again', async () => {
    const sink = create('langfuse', { ...env, LANGFUSE_HOST: server.url });
    await sink.send([line()], signal);
    await sink.send([line()], signal);
    expect(server.requests[0].body).toBe(server.requests[1].body);
  });
});

describe('s3_v2', () => {
  const keys = { s3_aws_access_key_id: 'AKID', s3_aws_secret_access_key: 'SECRET', s3_region_name: 'eu-west-1' };
  const params = (more: object = {}): object => ({ s3_bucket_name: 'logs', s3_endpoint_url: server.url, ...keys, ...more });

  /** The signature by AWS's documentation, computed anew. */
  function signatureOf({ method, path, headers, body }: SunkRequest): string {
    const { authorization = '', 'x-amz-date': date = '' } = headers as Record<string, string>;
    const [, names] = /SignedHeaders=([^,]+)/.exec(authorization) ?? [];
    const canonical = [
      method,
      path,
      '',
      ...names.split(';').map((name) => `${name}:${String(headers[name])}`),
      '',
      names,
      createHash('sha256').update(body).digest('hex'),
    ].join('\n');
    const scope = `${date.slice(0, 8)}/eu-west-1/s3/aws4_request`;
    const text = ['AWS4-HMAC-SHA256', date, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
    const key = scope
      .split('/')
      .reduce<Buffer>((secret, part) => createHmac('sha256', secret).update(part).digest(), Buffer.from('AWS4SECRET'));
    return createHmac('sha256', key).update(text).digest('hex');
  }

  it("stores an object for each call under LiteLLM's name, signed", async () => {
    const sink = create('s3_v2', {}, {}, params({ s3_path: '/my logs/', s3_use_team_prefix: true }));
    await sink.send([line(), line({ id: '../a/b' })], signal);
    const day = '/logs/my%20logs/red/2023-11-14/time-22-13-20-501234_';
    expect(server.requests.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
      `PUT ${day}.._a_b.json`,
      `PUT ${day}chatcmpl-1.json`,
    ]);
    for (const request of server.requests) {
      const { headers, body } = request;
      expect(headers['x-amz-content-sha256']).toBe(createHash('sha256').update(body).digest('hex'));
      expect(headers.authorization).toContain('SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date');
      expect(headers.authorization).toContain(`Signature=${signatureOf(request)}`);
    }
  });

  it('stores one object for a batch', async () => {
    await create('s3_v2', {}, {}, params({ s3_batch_file_upload: true })).send([line(), line({ id: '2' })], signal);
    expect(server.requests.map(({ path }) => path)).toEqual(['/logs/2023-11-14/time-22-13-20-501234_chatcmpl-1.jsonl']);
    expect(first().body).toBe(`${line()}\n${line({ id: '2' })}\n`);
  });

  it('reports an outage rather than one rejected object', async () => {
    server.reply = (_, number) => (number === 1 ? 400 : 503);
    await expect(create('s3_v2', {}, {}, params()).send([line(), line({ id: '2' })], signal)).rejects.toMatchObject({ fault: 'away' });
  });
});

describe('a sink', () => {
  it.each<[SinkName, Environment, object, string]>([
    ['langfuse', { LANGFUSE_PUBLIC_KEY: 'pk' }, {}, 'LANGFUSE_SECRET_KEY must be set'],
    ['langfuse', { LANGFUSE_PUBLIC_KEY: 'a', LANGFUSE_SECRET_KEY: 'b', LANGFUSE_HOST: 'http://' }, {}, 'LANGFUSE_HOST must be an http'],
    ['otel', {}, {}, 'OTEL_ENDPOINT must be set'],
    ['otel', { OTEL_ENDPOINT: 'http://a', OTEL_EXPORTER: 'otlp_grpc' }, {}, 'OTEL_EXPORTER must be otlp_http'],
    ['generic_api', {}, {}, 'GENERIC_LOGGER_ENDPOINT or callback_settings.generic_api.endpoint must be set'],
    ['generic_api', { GENERIC_LOGGER_ENDPOINT: 'ftp://a' }, {}, 'GENERIC_LOGGER_ENDPOINT must be an http'],
    ['s3_v2', {}, {}, 's3_callback_params.s3_bucket_name must be set'],
    [
      's3_v2',
      {},
      { s3_bucket_name: 'b', s3_aws_access_key_id: 'a' },
      's3_callback_params.s3_aws_secret_access_key must be set together with aws_access_key_id',
    ],
  ])('%s is refused without what it needs', (kind, env, s3, message) => {
    expect(() => create(kind, env, {}, s3)).toThrow(message);
  });
});
