import type { CallRecord } from '../common/call-record.js';
import { isLogged, loggingPayload } from './logging-payload.js';

const usage = {
  prompt: 100,
  completion: 40,
  total: 140,
  cacheRead: 30,
  cacheWrite: 10,
  reasoning: 15,
  audioIn: 0,
  audioOut: 0,
  images: 0,
  webSearches: 1,
};
const record: CallRecord = {
  id: 'call-1',
  startedAtMs: 1_700_000_000_500,
  endedAtMs: 1_700_000_002_000,
  operation: 'chat',
  stream: true,
  model: 'smart',
  group: 'smart',
  deploymentId: 'd1',
  provider: 'openai',
  upstreamModel: 'gpt-4o',
  apiBaseHost: 'api.openai.com',
  keyId: 'k1',
  keyAlias: 'mine',
  user: 'ann',
  team: 'red',
  organization: 'org',
  endUser: 'eve',
  tags: ['blue'],
  sessionId: 'session-1',
  traceId: 'ab'.repeat(16),
  requestId: 'r-1',
  ip: '203.0.113.7',
  userAgent: 'tool/1',
  usage,
  nanoUsd: 1_000,
  costParts: { input: 300, cacheRead: 50, cacheCreation: 100, output: 250, reasoning: 200, toolUsage: 60, request: 40 },
  isEstimated: false,
  cacheStatus: 'off',
  durationMs: 1_500,
  timeToFirstTokenMs: 250,
  status: 'success',
  httpStatus: 200,
  responseId: 'chatcmpl-1',
  retries: 1,
  fallbacks: 0,
  attempts: [
    {
      number: 1,
      deploymentId: 'd1',
      provider: 'openai',
      upstreamModel: 'gpt-4o',
      group: 'smart',
      startedAtMs: 1_700_000_000_501,
      durationMs: 1_499,
      status: 'success',
      httpStatus: 200,
      usage,
      nanoUsd: 1_000,
    },
  ],
  logging: () => ({
    isOff: false,
    isRedacted: undefined,
    metadata: { trace_id: 't-1', spend_logs_metadata: { job: 7 }, api_key: 'secret', note: 'sk-1234567890abcdefgh' },
    parameters: { stream: true, temperature: 0.5 },
    langfuse: { trace_name: 'by header' },
  }),
  request: () => ({
    model: 'smart',
    stream: true,
    temperature: 0.5,
    metadata: { a: 1 },
    user: 'eve',
    messages: [{ role: 'user', content: 'Hello' }],
    extra_headers: { authorization: 'Bearer abc' },
  }),
  answer: () => ({ choices: [{ message: { role: 'assistant', content: 'Hi' } }] }),
};

describe('the payload of a call', () => {
  it('has the fields of LiteLLM', () => {
    expect(loggingPayload(record, 10_000)).toEqual({
      id: 'chatcmpl-1',
      trace_id: 'session-1',
      session_id: 'session-1',
      litellm_call_id: 'call-1',
      call_type: 'acompletion',
      stream: true,
      status: 'success',
      status_fields: { llm_api_status: 'success' },
      response_cost: 1e-6,
      cost_breakdown: {
        input_cost: 4.5e-7,
        output_cost: 4.9e-7,
        cache_read_cost: 5e-8,
        cache_creation_cost: 1e-7,
        tool_usage_cost: 6e-8,
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
      startTime: 1_700_000_000.5,
      endTime: 1_700_000_002,
      completionStartTime: 1_700_000_000.75,
      response_time: 0.25,
      request_tags: ['blue'],
      end_user: 'eve',
      requester_ip_address: '203.0.113.7',
      user_agent: 'tool/1',
      messages: [{ role: 'user', content: 'Hello' }],
      response: { choices: [{ message: { role: 'assistant', content: 'Hi' } }] },
      model_parameters: { stream: true, temperature: 0.5, extra_headers: { authorization: '***' } },
      error_str: null,
      error_information: null,
      hidden_params: {
        model_id: 'd1',
        cache_key: null,
        api_base: 'api.openai.com',
        response_cost: '0.000001',
        litellm_model_name: 'gpt-4o',
        usage_object: {
          prompt_tokens: 100,
          completion_tokens: 40,
          total_tokens: 140,
          prompt_tokens_details: { cached_tokens: 30, cache_creation_tokens: 10, audio_tokens: 0 },
          completion_tokens_details: { reasoning_tokens: 15, audio_tokens: 0 },
        },
        batch_models: null,
        additional_headers: null,
        litellm_overhead_time_ms: null,
      },
      guardrail_information: [],
      metadata: {
        user_api_key_hash: 'k1',
        user_api_key_alias: 'mine',
        user_api_key_user_id: 'ann',
        user_api_key_user_email: null,
        user_api_key_team_id: 'red',
        user_api_key_team_alias: null,
        user_api_key_org_id: 'org',
        user_api_key_end_user_id: 'eve',
        user_api_key_request_route: null,
        spend_logs_metadata: { job: 7 },
        requester_ip_address: '203.0.113.7',
        requester_metadata: {
          trace_id: 't-1',
          spend_logs_metadata: { job: 7 },
          api_key: '***',
          note: 'sk-***',
          trace_name: 'by header',
        },
        applied_guardrails: [],
        mcp_tool_call_metadata: null,
        usage_object: expect.objectContaining({ total_tokens: 140 }) as object,
        attempted_retries: 1,
        attempted_fallbacks: 0,
        is_estimated: false,
        cancelled: false,
      },
      w3c_trace_id: 'ab'.repeat(16),
      attempts: [
        {
          number: 1,
          model_id: 'd1',
          custom_llm_provider: 'openai',
          model: 'gpt-4o',
          model_group: 'smart',
          status: 'success',
          error_code: null,
          startTime: 1_700_000_000.501,
          response_time: 1.499,
          response_cost: 1e-6,
        },
      ],
    });
  });

  it('has no texts if they are not logged, but the parameters', () => {
    const { messages, response, model_parameters } = loggingPayload(record, 0);
    expect([messages, response]).toEqual(['redacted-by-litellm', 'redacted-by-litellm']);
    expect(model_parameters).toMatchObject({ temperature: 0.5 });
    expect(JSON.stringify(loggingPayload(record, 0))).not.toMatch(/Hello|"Hi"/);
  });

  it.each(['failure', 'cancelled', 'denied'] as const)('has the code of the error of a call with the status %s', (status) => {
    const failed = { ...record, status, errorCode: 'PROVIDER_TIMEOUT', errorKind: 'timeout', httpStatus: 504 };
    const payload = loggingPayload(failed, 10_000);
    expect(payload).toMatchObject({ status: 'failure', error_str: 'PROVIDER_TIMEOUT', response: null });
    expect(payload.error_information).toEqual({
      error_code: '504',
      error_class: 'PROVIDER_TIMEOUT',
      llm_provider: 'openai',
      traceback: '',
      error_message: 'timeout',
    });
  });

  it('has no made-up values where nothing is known', () => {
    const { id, startedAtMs, endedAtMs, durationMs, tags, attempts, retries, fallbacks } = record;
    const bare: CallRecord = {
      ...{ id, startedAtMs, endedAtMs, durationMs, tags, retries, fallbacks },
      attempts: attempts.slice(1),
      operation: 'embeddings',
      stream: false,
      model: 'm',
      status: 'denied',
    };
    expect(loggingPayload(bare, 10_000)).toMatchObject({
      id: 'call-1',
      trace_id: 'call-1',
      session_id: '',
      call_type: 'aembedding',
      response_cost: 0,
      cost_breakdown: null,
      custom_llm_provider: null,
      model: 'm',
      model_id: null,
      total_tokens: 0,
      response_time: 1.5,
      messages: null,
      model_parameters: {},
    });
  });

  it('is not made for a request with no-log', () => {
    expect(isLogged(record)).toBe(true);
    const off = { isOff: true, isRedacted: undefined, metadata: undefined, parameters: {}, langfuse: undefined };
    expect(isLogged({ ...record, logging: () => off })).toBe(false);
  });
});
