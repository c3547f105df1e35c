import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LlmAnswer, LlmStream } from 'nestjs-fast-litellm';
import type { LocalProvider } from '../../support/local-provider/local-provider.js';
import { deploymentOf, HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { clientOf, closeClients, type OpenClient } from '../../support/llm-client-setup.js';

// LiteLLM's fields for tests: a mocked answer or failure must not become a call that is billed.

let first: LocalProvider;
let second: LocalProvider;
beforeEach(async () => {
  [first, second] = await Promise.all([provider('first'), provider('second')]);
});
afterEach(async () => {
  await closeClients();
  await stopProviders();
});

function open(llmClient: object = {}, router: object = {}): OpenClient {
  const modelList = [deploymentOf('m', first), deploymentOf('f', second)];
  const chains = { fallbacks: [{ m: ['f'] }], contextWindowFallbacks: [{ m: ['f'] }], contentPolicyFallbacks: [{ m: ['f'] }] };
  return clientOf({ modelList, ...chains, ...router }, llmClient);
}
const chat = (more: object): never => ({ model: 'm', messages: HELLO, ...more }) as never;
const sent = (): number => first.requests + second.requests;

describe('mock_response', () => {
  it('answers in the format of each API, whole and as a stream, without a provider and at no cost', async () => {
    const { client, router } = open();
    const whole = (await client.chat(chat({ mock_response: 'Moin' }))) as unknown as LlmAnswer;
    expect(whole.json()).toMatchObject({ object: 'chat.completion', choices: [{ message: { role: 'assistant', content: 'Moin' } }] });
    expect(whole.call).toMatchObject({ deploymentId: 'first', costUsd: 0, attempts: 1 });
    const stream = (await client.chat(chat({ mock_response: 'Moin', stream: true }))) as unknown as LlmStream;
    let text = '';
    for await (const chunk of stream) text += (chunk as { choices: { delta: { content?: string } }[] }).choices[0]?.delta.content ?? '';
    expect(text).toBe('Moin');
    const message = (await client.messages(chat({ mock_response: 'Moin', max_tokens: 9 }))) as unknown as LlmAnswer;
    expect(message.json()).toMatchObject({ type: 'message', content: [{ type: 'text', text: 'Moin' }] });
    const response = (await client.responses({ model: 'm', input: 'Hello', mock_response: 'Moin' } as never)) as unknown as LlmAnswer;
    expect(JSON.stringify(response.json())).toContain('"text":"Moin"');
    const embedded = (await client.embeddings({ model: 'm', input: 'Hello', mock_response: [0.5, 0.25] } as never)) as unknown as LlmAnswer;
    expect(embedded.json()).toMatchObject({ data: [{ embedding: [0.5, 0.25] }] });
    expect(sent()).toBe(0);
    expect(router.status()[0]).toMatchObject({ inFlight: 0, successes: 0, failures: 0 });
    expect(client.callsInFlight).toBe(0);
  });

  it('can be an object, and have calls of tools', async () => {
    const { client } = open();
    const choices = [{ index: 0, finish_reason: 'length', message: { role: 'assistant', content: 'Moin' } }];
    expect(((await client.chat(chat({ mock_response: { id: 'x', choices } }))) as unknown as LlmAnswer).json()).toMatchObject({
      id: 'x',
      choices,
    });
    const tool = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{}' } };
    expect(((await client.chat(chat({ mock_tool_calls: [tool] }))) as unknown as LlmAnswer).json()).toMatchObject({
      choices: [{ finish_reason: 'tool_calls', message: { tool_calls: [tool] } }],
    });
    expect(sent()).toBe(0);
  });

  it('of a deployment needs no key, and gives way to that of the request', async () => {
    const modelList = [{ model_name: 'm', litellm_params: { model: 'groq/llama', mock_response: 'From the file' } }];
    const { client } = clientOf({ modelList, strict: true });
    const texts = [];
    for (const more of [{}, { mock_response: 'From the body' }])
      texts.push(
        ((await client.chat(chat(more))) as unknown as LlmAnswer<{ choices: { message: { content: string } }[] }>).json().choices[0].message
          .content,
      );
    expect(texts).toEqual(['From the file', 'From the body']);
  });

  it.each([
    ['litellm.RateLimitError', 'rate_limit'],
    ['litellm.InternalServerError', 'server'],
    ['litellm.ContextWindowExceededError', 'context_window'],
    ['Exception: content_filter_policy', 'content_policy'],
  ])('fails as in LiteLLM with %s, and no failure is recorded against a deployment', async (mock, kind) => {
    const { client, router } = open({}, { numRetries: 0, fallbacks: [], allowedFails: 0 });
    const body = chat({ mock_response: mock, disable_fallbacks: true });
    await expect(client.chat(body)).rejects.toMatchObject({ kind });
    expect(router.status().map(({ state, failures }) => [state, failures])).toEqual([
      ['available', 0],
      ['available', 0],
    ]);
    expect(sent()).toBe(0);
  });

  it('does not skip the check of the models that a caller may call, or answer for an unknown one', async () => {
    const { client } = open();
    const mocked = { mock_response: 'Moin' };
    await expect(client.chat(chat(mocked), { mayCall: (model) => model === 'f' })).rejects.toMatchObject({ code: 'MODEL_NOT_ALLOWED' });
    await expect(client.chat(chat({ ...mocked, model: 'nobody' }))).rejects.toMatchObject({ code: 'NO_DEPLOYMENT' });
  });
});

const FLAGS = [
  'mock_testing_fallbacks',
  'mock_testing_context_fallbacks',
  'mock_testing_context_window_fallbacks',
  'mock_testing_content_policy_fallbacks',
  'mock_testing_rate_limit_error',
];

describe('fields that fail a request', () => {
  it.each(FLAGS)('%s sends the call to the fallback', async (flag) => {
    const { client, router } = open({ mockTesting: true }, { allowedFails: 0 });
    const { call } = await client.chat(chat({ [flag]: true }));
    expect(call).toMatchObject({ group: 'f', fallbacks: 1, attempts: 2 });
    expect([first.requests, second.requests]).toEqual([0, 1]);
    expect(router.status()[0]).toMatchObject({ state: 'available', failures: 0 });
    expect((await client.chat(chat({ [flag]: false }))).call.group).toBe('m');
  });

  it('mock_timeout fails each attempt after its time', async () => {
    const { client } = open({ mockTesting: true }, { numRetries: 0 });
    await expect(client.chat(chat({ mock_timeout: true, timeout: 0.02 }))).rejects.toMatchObject({
      kind: 'timeout',
      code: 'PROVIDER_TIMEOUT',
    });
    expect(sent()).toBe(0);
  });

  it.each([...FLAGS, 'mock_timeout', 'mock_delay'])('%s is refused unless the operator allows it', async (field) => {
    const { client } = open();
    await expect(client.chat(chat({ [field]: 1 }))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', path: field });
    expect(sent()).toBe(0);
  });

  it('are allowed by the setting of LiteLLM’s proxy', async () => {
    const configPath = join(mkdtempSync(join(tmpdir(), 'mocks-')), 'config.json');
    const modelList = [deploymentOf('m', first), deploymentOf('f', second)];
    const general = { dangerously_allow_mock_testing_request_params: true };
    writeFileSync(
      configPath,
      JSON.stringify({ model_list: modelList, general_settings: general, router_settings: { fallbacks: [{ m: ['f'] }] } }),
    );
    const { client, router } = clientOf({ configPath });
    expect((await client.chat(chat({ mock_testing_fallbacks: true }))).call.group).toBe('f');
    expect(router.warnings).toEqual([]);
  });
});
