import { DEFAULT_BODY_BOUNDS } from '../http/body/body-bounds.js';
import { RequestContext } from '../http/request-context.js';
import { ApiCallRequest, CustomCallRequest, type OperationBody, type PromptReader, type RequestLimits } from './call-request.js';
import type { CallOptions } from './call-options.js';

const HELLO = [{ role: 'user', content: 'Hello' }];
const LIMITS: RequestLimits = { bounds: DEFAULT_BODY_BOUNDS, ofCaller: () => ({ numRetries: 3, timeoutMs: 5000, maxFallbacks: 2 }) };

const asked = (
  body: object,
  options: CallOptions = {},
  limits: Partial<RequestLimits> = {},
  operation: OperationBody['operation'] = 'chat',
): ApiCallRequest => new ApiCallRequest({ operation, body: { model: 'm', messages: HELLO, ...body } }, options, { ...LIMITS, ...limits });

describe('the options of a call', () => {
  const send = async () => ({});

  it.each<[string, unknown]>([
    ['request', 'GET /'],
    ['request', []],
    ['routing', 'fast'],
    ['routing.inputTokens', { inputTokens: '7' }],
    ['routing.maxTokens', { maxTokens: NaN }],
    ['timeoutMs', 0],
    ['timeoutMs', NaN],
    ['timeoutMs', '1'],
    ['streamTimeoutMs', -1],
    ['numRetries', -1],
    ['numRetries', 0.5],
    ['fallbacks', 'm'],
    ['contextWindowFallbacks', [7]],
    ['contentPolicyFallbacks', { m: 'n' }],
    ['tenant', ''],
    ['queueClass', 'urgent'],
    ['mayCall', 'all'],
  ])('rejects the %s %j', (path, value) => {
    const options = { [path.replace(/\..*/, '')]: value } as CallOptions;
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT', path: expect.stringContaining(path) });
    expect(() => asked({}, options)).toThrow(refused);
    expect(() => new CustomCallRequest('m', send, options, false)).toThrow(refused);
  });

  it.each<[string, unknown]>([
    ...['request', 'routing', 'timeoutMs', 'streamTimeoutMs', 'numRetries', 'fallbacks', 'contextWindowFallbacks'].map(
      (name): [string, unknown] => [name, null],
    ),
    ...['contentPolicyFallbacks', 'tenant', 'queueClass', 'mayCall'].map((name): [string, unknown] => [name, null]),
    ['timeoutMs', Infinity],
    ['streamTimeoutMs', 0.001],
    ['numRetries', 0],
    ['numRetries', 1000],
    ['queueClass', 'batch'],
    ['routing', { inputTokens: null, maxTokens: null }],
    ['routing', { inputTokens: 0.5 }],
  ])('accepts the %s %j', (name, value) => {
    const options = { [name]: value } as CallOptions;
    expect(asked({}, options).options).toBe(options);
    expect(new CustomCallRequest('m', send, options, true).options).toBe(options);
  });

  it('of a function have its model, operation and tokens', () => {
    const plain = new CustomCallRequest('m', send, {}, false);
    expect([plain.model, plain.operation, plain.stream, plain.promptTokens, plain.maxTokens]).toEqual([
      'm',
      'chat',
      false,
      undefined,
      undefined,
    ]);
    const request = {};
    const stated = new CustomCallRequest('m', send, { operation: 'rerank', routing: { inputTokens: 7, maxTokens: 9 }, request }, true);
    expect([stated.operation, stated.stream, stated.promptTokens, stated.maxTokens]).toEqual(['rerank', true, 7, 9]);
    expect(stated.context).toBe(RequestContext.of(request));
    expect(() => new CustomCallRequest('', send, {}, false)).toThrow(expect.objectContaining({ path: 'model' }));
    expect(() => new CustomCallRequest('m', 'send', {}, false)).toThrow(expect.objectContaining({ path: 'send' }));
    expect(() => new CustomCallRequest('m', send, { operation: '' }, false)).toThrow(
      expect.objectContaining({ path: 'options.operation' }),
    );
  });
});

describe('a body', () => {
  it.each<[object, string]>([
    [{ model: undefined }, 'model'],
    [{ model: '' }, 'model'],
    [{ model: 'x'.repeat(100_000) }, 'model'],
    [{ Model: 'n' }, 'Model'],
    [{ stream: 'yes' }, 'stream'],
    [{ tags: [1] }, 'tags[0]'],
    [{ mock_delay: 1 }, 'mock_delay'],
  ])('%j is rejected for its %s', (body, path) => {
    expect(() => asked(body)).toThrow(expect.objectContaining({ path }));
  });

  it.each<[object, Partial<ApiCallRequest>]>([
    [{}, { stream: false, hasOwnFields: false, hasMocks: false, hasTags: false, sendsFallbacks: false, isLarge: false }],
    [{ stream: null }, { stream: false }],
    [{ stream: true }, { stream: true }],
    [{ num_retries: 1 }, { hasOwnFields: true, hasMocks: false }],
    [{ mock_response: 'a' }, { hasOwnFields: true, hasMocks: true }],
    [{ mock_response: '' }, { hasOwnFields: true, hasMocks: false }],
    [{ metadata: { tags: ['a'] } }, { hasOwnFields: false, hasTags: true }],
    [{ metadata: { user: 'a' } }, { hasTags: false }],
    [{ fallbacks: [{ model: 'n' }] }, { sendsFallbacks: false }],
  ])('%j has facts %j', (body, facts) => {
    expect(asked(body)).toMatchObject(facts);
  });

  it("sends Anthropic's own fallbacks, of Messages only", () => {
    expect(asked({ fallbacks: 'default' }, {}, {}, 'messages').sendsFallbacks).toBe(true);
    expect(asked({ fallbacks: ['n'] }, {}, {}, 'messages').sendsFallbacks).toBe(false);
  });

  it('allows mocked failures where the operator does', () => {
    expect(asked({ mock_delay: 1 }, {}, { mockTesting: true }).hasMocks).toBe(true);
  });

  it.each<[object, boolean | undefined, OperationBody['operation'], boolean]>([
    [{ stream: true }, true, 'chat', true],
    [{ stream: true }, true, 'completions', true],
    [{ stream: true }, true, 'messages', false],
    [{ stream: true }, false, 'chat', false],
    [{ stream: true }, undefined, 'chat', false],
    [{ stream: false }, true, 'chat', false],
    [{ stream: true, stream_options: { include_usage: true } }, true, 'chat', false],
    [{ stream: true, stream_options: { include_usage: false } }, true, 'chat', true],
    [{ stream: true, stream_options: null }, true, 'chat', true],
  ])('%j with streamUsage %s of %s asks for a usage: %s', (body, streamUsage, operation, expected) => {
    expect(asked(body, {}, { streamUsage }, operation).addsUsage).toBe(expected);
  });

  it('asks mayCall once for each model, whether it may be called or not', () => {
    const mayCall = jest.fn((model: string) => model !== 'secret');
    asked({ fallbacks: ['n', { model: 'n' }] }, { mayCall });
    expect(mayCall.mock.calls.flat()).toEqual(['m', 'n']);
    expect(() => asked({ model: 'secret' }, { mayCall })).toThrow(expect.objectContaining({ code: 'MODEL_NOT_ALLOWED' }));
  });
});

describe('AskedRequest.countPrompt', () => {
  const counting = { counter: { countPrompt: jest.fn() } } as unknown as PromptReader;

  it('takes the count of the program, and forgets the facts of the guard', () => {
    const request = {};
    const one = asked({}, { routing: { inputTokens: 0 }, request });
    RequestContext.of(request).facts = one.facts;
    expect(one.countPrompt(counting)).toBeUndefined();
    expect([one.promptTokens, one.counted, RequestContext.of(request).facts]).toEqual([0, one.body, undefined]);
  });

  it('takes the count of the guard', () => {
    const one = asked({});
    one.facts.promptTokens = 0;
    expect(one.countPrompt(counting)).toBeUndefined();
    expect(one.promptTokens).toBe(0);
  });
});

describe('AskedRequest.revise', () => {
  it('keeps the start and the options, but not the stated tokens of another prompt', async () => {
    const options = { routing: { inputTokens: 7, tags: ['a'] }, tenant: 't' };
    const one = asked({}, options);
    const other = await one.revise({ ...one.body, messages: [] });
    expect([other.startedAtMs, other.operation, other.options]).toEqual([
      one.startedAtMs,
      'chat',
      { routing: { tags: ['a'] }, tenant: 't' },
    ]);
    const same = await one.revise(one.body);
    expect(same).not.toBe(one);
    expect(same.options).toBe(options);
  });

  it('takes a body without bytes for one that can have changed', () => {
    const one = asked({});
    expect(one.isUnchanged(one.body)).toBe(false);
  });
});
