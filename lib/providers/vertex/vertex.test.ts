import { sentRequest } from '../../../test/support/sent-requests.js';
import { DeploymentFault } from '../endpoint/deployment-fault.js';
import { ProviderEndpoint, type EndpointParams } from '../endpoint/endpoint.js';
import type { Operation, WireCall } from '../protocol.js';
import { upstreamModel } from '../endpoint/resolution.js';

type Fields = Readonly<Record<string, unknown>>;

const PROJECT = { vertex_project: 'p-1', vertex_location: 'us-central1' };
const HOST = 'https://us-central1-aiplatform.googleapis.com';
const AT = '/v1/projects/p-1/locations/us-central1';
const HELLO = { messages: [{ role: 'user', content: 'Hello' }] };

const endpoint = (params: Partial<EndpointParams> & Fields, env: Record<string, string> = {}): ProviderEndpoint =>
  new ProviderEndpoint({ model: 'vertex_ai/gemini-2.5-pro', ...params }, 'a', env);

function callOf(
  model: string,
  body: Fields = HELLO,
  operation: Operation = 'chat',
  params: Fields = PROJECT,
): WireCall & { readonly url: string; readonly fields: Fields } {
  const asked = endpoint({ ...params, model });
  const called = upstreamModel(model);
  const call = asked.protocol.call(operation, sentRequest(body, { model: called, provider: asked.provider }));
  if (call === undefined) throw new Error(`${model} does not have ${operation}`);
  return { ...call, url: asked.origin + asked.pathOf(call.path, called), fields: JSON.parse(call.body as string) as Fields };
}

const fault = (act: () => unknown): string => {
  try {
    act();
    return 'no fault';
  } catch (error) {
    expect(error).toBeInstanceOf(DeploymentFault);
    return (error as Error).message;
  }
};

describe('a model on Vertex AI', () => {
  it.each<[string, string]>([
    ['vertex_ai/gemini-2.5-pro', `${AT}/publishers/google/models/gemini-2.5-pro:generateContent`],
    ['vertex_ai_beta/gemini-2.5-pro', `${AT}/publishers/google/models/gemini-2.5-pro:generateContent`],
    ['vertex_ai/google/gemini-2.5-pro', `${AT}/publishers/google/models/gemini-2.5-pro:generateContent`],
    ['vertex_ai/1234567890', `${AT}/endpoints/1234567890:generateContent`],
    ['vertex_ai/gemini/1234567890', `${AT}/endpoints/1234567890:generateContent`],
    ['vertex_ai/claude-sonnet-4-5@20250929', `${AT}/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict`],
    ['vertex_ai/mistral-medium-3@001', `${AT}/publishers/mistralai/models/mistral-medium-3@001:rawPredict`],
    ['vertex_ai/codestral-2', `${AT}/publishers/mistralai/models/codestral-2:rawPredict`],
    ['vertex_ai/jamba-1.5-large@001', '/v1beta1/projects/p-1/locations/us-central1/publishers/ai21/models/jamba-1.5-large@001:rawPredict'],
    ['vertex_ai/meta/llama-4-maverick-17b-128e-instruct-maas', `${AT}/endpoints/openapi/chat/completions`],
    ['vertex_ai/deepseek-ai/deepseek-v3.1-maas', `${AT}/endpoints/openapi/chat/completions`],
    ['vertex_ai/qwen/qwen3-coder-480b-a35b-instruct-maas', `${AT}/endpoints/openapi/chat/completions`],
    ['vertex_ai/openai/gpt-oss-120b-maas', `${AT}/endpoints/openapi/chat/completions`],
    ['vertex_ai/xai/grok-4.1-fast', `${AT}/endpoints/openapi/chat/completions`],
    ['vertex_ai/openai/5464397967697903616', '/v1beta1/projects/p-1/locations/us-central1/endpoints/5464397967697903616/chat/completions'],
  ])('%s is at %s', (model, path) => expect(callOf(model).url).toBe(HOST + path));

  it.each<[string, string]>([
    ['vertex_ai/gemini-2.5-pro', ':streamGenerateContent?alt=sse'],
    ['vertex_ai/claude-sonnet-4-5', ':streamRawPredict'],
    ['vertex_ai/mistral-medium-3', ':streamRawPredict'],
    ['vertex_ai/meta/llama-3', '/chat/completions'],
  ])('%s streams at %s', (model, end) => {
    const { path, fields } = callOf(model, { ...HELLO, stream: true });
    expect(path.endsWith(end)).toBe(true);
    expect(fields.stream).toBe(model.includes('gemini') ? undefined : true);
  });

  it.each<[string, Fields]>([
    ['vertex_ai/meta/llama-3', { model: 'meta/llama-3', ...HELLO }],
    ['vertex_ai/openai/gpt-oss-20b-maas', { model: 'openai/gpt-oss-20b-maas', ...HELLO }],
    ['vertex_ai/openai/123', { model: '', ...HELLO }],
    ['vertex_ai/mistral-medium-3@001', { model: 'mistral-medium-3', ...HELLO }],
    [
      'vertex_ai/claude-sonnet-4-5',
      { anthropic_version: 'vertex-2023-10-16', messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }] },
    ],
  ])('%s gets the body of its protocol', (model, body) => expect(callOf(model).fields).toMatchObject(body));

  it('has the operations of its protocol only', () => {
    const { protocol } = endpoint({ ...PROJECT, model: 'vertex_ai/*' });
    const pathOf = (operation: 'embeddings' | 'completions', body: Fields): string | undefined =>
      protocol.call(operation, sentRequest(body, { model: 'intfloat/multilingual-e5-large-instruct-maas', provider: 'vertex_ai' }))?.path;
    expect(pathOf('embeddings', { input: 'a' })).toBe(`${AT}/endpoints/openapi/embeddings`);
    expect(pathOf('completions', { prompt: 'a' })).toBeUndefined();
  });

  it('that is Claude gets no model in its body, and no header for the version', () => {
    const { fields, headers } = callOf('vertex_ai/claude-sonnet-4-5');
    expect(fields).not.toHaveProperty('model');
    expect(headers ?? []).not.toContain('anthropic-version');
  });

  it('that is of Mistral has its words', () => {
    expect(callOf('vertex_ai/mistral-medium-3', { ...HELLO, seed: 5 }).fields).toMatchObject({ random_seed: 5 });
  });

  it('of Claude has the Messages API by itself', () => {
    const body = { max_tokens: 5, messages: [{ role: 'user', content: 'Hello' }] };
    expect(callOf('vertex_ai/claude-sonnet-4-5', body, 'messages').fields).toEqual({ anthropic_version: 'vertex-2023-10-16', ...body });
  });

  it.each([
    ['{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', { status: 529, message: 'Overloaded' }],
    ['{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"Quota"}}', { status: 429, code: 'RESOURCE_EXHAUSTED' }],
    ['{"error":{"message":"x"}}', { message: 'x' }],
  ])('states %s with its status', (body, error) => {
    expect(endpoint(PROJECT).protocol.errorIn(body)).toMatchObject(error);
  });

  it.each(['gemma/gemma-3-12b-it', 'bge/123', 'agent_engine/1'])('%s cannot be called, and says what can', (model) => {
    expect(fault(() => endpoint({ ...PROJECT, model: `vertex_ai/${model}` }))).toMatch(
      /litellm_params\.model: the protocol of .* is not supported; deploy it .* vertex_ai\/openai/,
    );
    const { protocol } = endpoint({ ...PROJECT, model: 'vertex_ai/*' });
    expect(() => protocol.call('chat', sentRequest(HELLO, { model, provider: 'vertex_ai' }))).toThrow(/is not supported/);
  });

  it('cannot leave its place', () => {
    expect(callOf('vertex_ai/x', HELLO, 'chat').url).toBe(`${HOST}${AT}/publishers/google/models/x:generateContent`);
    const { protocol } = endpoint({ ...PROJECT, model: 'vertex_ai/*' });
    for (const model of ['a?b', 'a#b', '..%2f..', 'a:predict', 'claude-../x'])
      expect(protocol.call('chat', sentRequest(HELLO, { model, provider: 'vertex_ai' }))?.path).toMatch(
        /^\/v1\/projects\/p-1\/locations\/us-central1\/publishers\/(?:google|anthropic)\/models\/[\w.%-]+:\w+$/,
      );
  });
});

describe("Vertex AI's address", () => {
  it.each<[string | undefined, string]>([
    [undefined, HOST],
    ['us-central1', HOST],
    ['global', 'https://aiplatform.googleapis.com'],
    ['eu', 'https://aiplatform.eu.rep.googleapis.com'],
    ['us', 'https://aiplatform.us.rep.googleapis.com'],
  ])('of the location %s is %s', (vertex_location, origin) => {
    expect(endpoint({ vertex_project: 'p', vertex_location }).origin).toBe(origin);
  });

  it.each(['evil.example/', 'evil.example#', 'US', 'a b', '-x', 'x'.repeat(80), '../x'])(
    'is refused for the location %j',
    (vertex_location) => {
      expect(fault(() => endpoint({ vertex_project: 'p', vertex_location }))).toMatch(
        /vertex_location: must contain only lower-case letters/,
      );
    },
  );

  it.each(['a/b', '..', 'p?x', ''])('is refused for the project %j', (vertex_project) => {
    expect(fault(() => endpoint({ vertex_project }))).toMatch(/vertex_project: must be/);
  });

  it.each<[Fields, Record<string, string>, string]>([
    [{ vertex_project: 'own' }, { VERTEXAI_PROJECT: 'env' }, 'projects/own/locations/us-central1/'],
    [{ vertex_ai_project: 'own', vertex_ai_location: 'global' }, {}, 'projects/own/locations/global/'],
    [{}, { VERTEXAI_PROJECT: 'env', VERTEXAI_LOCATION: 'europe-west1' }, 'projects/env/locations/europe-west1/'],
    [{}, { GOOGLE_CLOUD_PROJECT: 'env' }, 'projects/env/locations/us-central1/'],
    [{ vertex_credentials: { type: 'service_account', project_id: 'of-key' } }, {}, 'projects/of-key/locations/us-central1/'],
    [{}, { VERTEXAI_CREDENTIALS: '{"type":"authorized_user","quota_project_id":"quota"}' }, 'projects/quota/locations/us-central1/'],
  ])('is of the project in %j or %j', (params, env, part) => {
    expect(endpoint(params, env).protocol.call('chat', sentRequest(HELLO))?.path).toContain(part);
  });

  it.each<[string, string, string]>([
    ['https://gw.example', 'gemini-2.5-pro', `https://gw.example${AT}/publishers/google/models/gemini-2.5-pro:generateContent`],
    ['https://gw.example/v1', 'gemini-2.5-pro', `https://gw.example${AT}/publishers/google/models/gemini-2.5-pro:generateContent`],
    [
      'https://gw.example/v1beta1/',
      'gemini-2.5-pro',
      `https://gw.example${AT.replace('v1', 'v1beta1')}/publishers/google/models/gemini-2.5-pro:generateContent`,
    ],
    ['https://gw.example/a/b', 'gemini-2.5-pro', `https://gw.example/a/b${AT}/publishers/google/models/gemini-2.5-pro:generateContent`],
    [
      'https://gw.example/a/v1/projects/q/locations/l/',
      'gemini-2.5-pro',
      `https://gw.example/a${AT}/publishers/google/models/gemini-2.5-pro:generateContent`,
    ],
    [
      'https://gw.example/v1/projects/q/locations/l/publishers/google/models/x',
      'gemini-2.5-pro',
      'https://gw.example/v1/projects/q/locations/l/publishers/google/models/x:generateContent',
    ],
    [
      'https://gw.example/v1/projects/q/locations/l/endpoints/5?k=v',
      '5',
      'https://gw.example/v1/projects/q/locations/l/endpoints/5:generateContent?k=v',
    ],
    ['https://gw.example', 'meta/llama-3', `https://gw.example${AT}/endpoints/openapi/chat/completions`],
  ])('%s for %s is %s', (api_base, model, url) => {
    expect(callOf(`vertex_ai/${model}`, HELLO, 'chat', { ...PROJECT, api_base }).url).toBe(url);
  });
});

describe('credentials of Vertex AI', () => {
  const ACCOUNT = { type: 'service_account', project_id: 'p', client_email: 'a@b', private_key: 'secret-key-of-it' };
  const asJson = JSON.stringify(ACCOUNT);

  it.each<[string, Fields, Record<string, string>, boolean]>([
    ["Google's host", {}, {}, true],
    ["Google's host, with the environment's", {}, { VERTEXAI_CREDENTIALS: asJson }, true],
    ["an address of the deployment, with the environment's", { api_base: 'https://gw.example' }, { VERTEXAI_CREDENTIALS: asJson }, false],
    ["an address of the deployment, with the application's default", { api_base: 'https://gw.example' }, {}, false],
    ["an address of the deployment, with the deployment's", { api_base: 'http://127.0.0.1:1', vertex_credentials: asJson }, {}, true],
    ['an address that looks like Google', { api_base: 'https://googleapis.com.evil.example' }, { VERTEXAI_CREDENTIALS: asJson }, false],
    ['a path that looks like Google', { api_base: 'https://evil.example/x.googleapis.com' }, { VERTEXAI_CREDENTIALS: asJson }, false],
    ['Google without TLS', { api_base: 'http://us-central1-aiplatform.googleapis.com' }, { VERTEXAI_CREDENTIALS: asJson }, false],
    ['another host of Google', { api_base: 'https://x.p.googleapis.com' }, {}, true],
    [
      'an address of the environment, with its credentials',
      {},
      { VERTEXAI_API_BASE: 'https://gw.example', VERTEXAI_CREDENTIALS: asJson },
      true,
    ],
    ["an address of the environment, with the application's default", {}, { VERTEXAI_API_BASE: 'https://gw.example' }, false],
    ['any host where the deployment has a header of its own', { extra_headers: { authorization: 'Bearer x' } }, {}, false],
    ['any host where the deployment has a key', { api_key: 'k' }, {}, false],
  ])('go to %s: %#', (_, params, env, goes) => {
    expect(endpoint({ ...PROJECT, ...params }, env).authorization !== undefined).toBe(goes);
  });

  it('that are not sent are named', () => {
    expect(endpoint({ ...PROJECT, api_base: 'https://gw.example' }, { VERTEXAI_CREDENTIALS: asJson }).keptBack).toEqual([
      'VERTEXAI_CREDENTIALS',
    ]);
  });

  it('may be an API key', () => {
    expect(endpoint({ ...PROJECT, api_key: 'k' }).headers).toEqual(expect.arrayContaining(['x-goog-api-key', 'k']));
  });

  it.each<[string, unknown]>([
    ['no JSON', '{"private_key": "secret-key-of-it"'],
    ['JSON of something else', '{"private_key":"secret-key-of-it"}'],
    ['a list', ['secret-key-of-it']],
    ['a number', 5],
    ['a path without a file', '/nowhere/secret-key-of-it.json'],
  ])('that are %s are refused without being shown', (_, vertex_credentials) => {
    const message = fault(() => endpoint({ ...PROJECT, vertex_credentials }));
    expect(message).toMatch(/vertex_credentials: must be Google credentials as JSON/);
    expect(message).not.toContain('secret-key-of-it');
  });
});

describe('embeddings', () => {
  const body = { input: ['a', 'b'], dimensions: 2, task_type: 'RETRIEVAL_QUERY' };
  const answer = (call: WireCall, value: unknown): Fields =>
    JSON.parse(call.translator?.whole(Buffer.from(JSON.stringify(value))).toString() ?? '') as Fields;

  it('of Vertex AI are predictions', () => {
    const call = callOf('vertex_ai/text-embedding-005', body, 'embeddings');
    expect(call.url).toBe(`${HOST}${AT}/publishers/google/models/text-embedding-005:predict`);
    expect(call.fields).toEqual({
      instances: [
        { content: 'a', task_type: 'RETRIEVAL_QUERY' },
        { content: 'b', task_type: 'RETRIEVAL_QUERY' },
      ],
      parameters: { outputDimensionality: 2 },
    });
    const predictions = [
      [1, 2],
      [3, 4],
    ].map((values, at) => ({ embeddings: { values, statistics: { token_count: at + 1 } } }));
    expect(answer(call, { predictions })).toEqual({
      object: 'list',
      model: 'text-embedding-005',
      data: [
        { object: 'embedding', index: 0, embedding: [1, 2] },
        { object: 'embedding', index: 1, embedding: [3, 4] },
      ],
      usage: { prompt_tokens: 3, total_tokens: 3 },
    });
    expect(call.reader.usageIn(Buffer.from('{"usage":{"prompt_tokens":3}}'))).toMatchObject({ promptTokens: 3 });
  });

  it('of the newer models are of one text', () => {
    const call = callOf('vertex_ai/gemini-embedding-2', { input: 'a', dimensions: 2 }, 'embeddings');
    expect(call.url).toBe(`${HOST}${AT}/publishers/google/models/gemini-embedding-2:embedContent`);
    expect(call.fields).toEqual({ content: { parts: [{ text: 'a' }] }, outputDimensionality: 2 });
    expect(answer(call, { embedding: { values: [1] }, usageMetadata: { promptTokenCount: 7 } })).toMatchObject({
      data: [{ embedding: [1] }],
      usage: { total_tokens: 7 },
    });
    expect(() => callOf('vertex_ai/gemini-embedding-2', body, 'embeddings')).toThrow(
      /^input is not supported: gemini-embedding-2 embeds one text/,
    );
  });

  it('of several media have another protocol', () => {
    expect(() => callOf('vertex_ai/multimodalembedding@001', body, 'embeddings')).toThrow(/the embeddings protocol of .* is not supported/);
  });
});
