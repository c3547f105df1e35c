import { COMPLETIONS_FIELDS, MESSAGES_FIELDS, RESPONSES_FIELDS, type FieldTable } from '../../../lib/apis/client-fields.js';
import { GatewayApp } from '../../support/gateway-app.js';
import { stopProviders } from '../../support/llm-client-providers.js';
import { BEDROCK_SCRIPT } from '../../support/protocols/bedrock-protocol.js';
import { GEMINI_SCRIPT } from '../../support/protocols/gemini-protocol.js';
import { OPENAI_SCRIPT } from '../../support/protocols/openai-protocol.js';
import { ScriptedProvider, type ScriptedProtocol } from '../../support/protocols/protocol-script.js';

type Json = Readonly<Record<string, unknown>>;

const at = (protocol: ScriptedProtocol, model: string): ScriptedProtocol => ({
  ...protocol,
  params: (origin) => ({ ...protocol.params(origin), model }),
});
/** Models that do not think, but for the last. */
const PROVIDERS: Readonly<Record<string, ScriptedProtocol>> = {
  Groq: at(OPENAI_SCRIPT, 'groq/llama-3.3-70b-versatile'),
  'a server at an address of its own': at(OPENAI_SCRIPT, 'custom_openai/my-model'),
  Gemini: at(GEMINI_SCRIPT, 'gemini/gemini-2.0-flash'),
  'Nova on Bedrock': at(BEDROCK_SCRIPT, 'bedrock/amazon.nova-pro-v1:0'),
};
const APIS: Readonly<Record<string, { readonly path: string; readonly body: Json; readonly table: FieldTable }>> = {
  Messages: { path: '/v1/messages', body: { max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] }, table: MESSAGES_FIELDS },
  Responses: { path: '/v1/responses', body: { input: 'Hi' }, table: RESPONSES_FIELDS },
  completions: { path: '/v1/completions', body: { prompt: 'Hi' }, table: COMPLETIONS_FIELDS },
};
/** What agents ask of every model. */
const WISHES: Readonly<Record<string, Json>> = {
  Messages: {
    thinking: { type: 'adaptive' },
    output_config: { effort: 'high' },
    cache_control: { type: 'ephemeral' },
    metadata: { user_id: 'user-1' },
  },
  Responses: {
    reasoning: { effort: 'high', summary: 'auto' },
    text: { verbosity: 'low' },
    include: ['reasoning.encrypted_content'],
    prompt_cache_key: 'key',
    store: false,
  },
  completions: {},
};
const MARK = 'of-another-api';

/** A server of the operator's own has completions itself. */
const CASES = Object.keys(PROVIDERS).flatMap((provider) =>
  Object.keys(APIS)
    .filter((api) => api !== 'completions' || !provider.includes('address'))
    .map((api) => [api, provider] as const),
);

describe.each(CASES)('fields of %s at %s', (api, name) => {
  const { path, body, table } = APIS[api];
  let provider: ScriptedProvider;
  let gateway: GatewayApp;
  let usual: Json;
  beforeAll(async () => {
    const [started, origin] = await ScriptedProvider.start(PROVIDERS[name], () => ({ text: 'Hi' }));
    provider = started;
    const modelList = [provider.deployment('m', origin)];
    gateway = await GatewayApp.start('Express', {}, { module: { router: { modelList, numRetries: 0, disableCooldowns: true } } });
    usual = await sent({});
  });
  afterAll(async () => {
    await gateway.stop();
    await stopProviders();
  });

  async function sent(fields: Json): Promise<Json> {
    const before = provider.asked.length;
    const { status, text } = await gateway.post(path, { model: 'm', ...body, ...fields });
    expect([status, text]).toEqual([200, expect.anything()]);
    expect(provider.asked).toHaveLength(before + 1);
    return provider.asked[before];
  }

  const names = (rule: 'dropped' | 'rejected'): string[] =>
    Object.keys(table).filter((field) => typeof table[field] === 'object' && rule in table[field]);

  it('that are dropped, and unknown ones, do not arrive', async () => {
    const fields = Object.fromEntries([...names('dropped'), 'not_yet_known', 'newer_beta'].map((field) => [field, { mark: MARK }]));
    // LiteLLM has a field of this name.
    if ('fallbacks' in fields) Object.assign(fields, { fallbacks: [{ model: MARK }] });
    expect(await sent(fields)).toEqual(usual);
  });

  it('that are rejected are named', async () => {
    for (const field of names('rejected')) {
      const { status, text } = await gateway.post(path, { model: 'm', ...body, [field]: [MARK] });
      expect([status, text]).toEqual([400, expect.stringContaining(`${field} is not supported`)]);
      expect(text).not.toContain('cannot read');
    }
  });

  it('that are optional are not sent to a model that does not support them', async () => {
    const asked = JSON.stringify(await sent(WISHES[api]));
    expect(asked).not.toMatch(/thinking|reasoning|effort|verbosity|ephemeral|include"/i);
    // Nova has a prompt cache.
    expect(asked.includes('cachePoint')).toBe(api === 'Messages' && name.includes('Nova'));
  });
});

describe.each(Object.keys(PROVIDERS))('a chat with fields of other APIs at %s', (name) => {
  afterAll(stopProviders);

  it('arrives without them', async () => {
    const [provider, origin] = await ScriptedProvider.start(PROVIDERS[name], () => ({ text: 'Hi' }));
    const modelList = [provider.deployment('m', origin)];
    const gateway = await GatewayApp.start('Express', {}, { module: { router: { modelList, numRetries: 0 } } });
    const isCompatible = PROVIDERS[name].name === 'openai';
    const foreign = {
      cache_control: { type: 'ephemeral' },
      client_metadata: { originator: 'codex' },
      context_management: { edits: [] },
      // The others name it in an error.
      ...(isCompatible && { thinking: { type: 'enabled', budget_tokens: 2048 } }),
    };
    const body = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] };
    for (const more of [{}, foreign])
      expect(await gateway.post('/v1/chat/completions', { ...body, ...more })).toMatchObject({ status: 200 });
    const [plain, mixed] = provider.asked;
    expect(mixed).toEqual(plain);
    await gateway.stop();
  });
});

describe('a model that thinks', () => {
  afterAll(stopProviders);

  it.each([
    ['groq/openai/gpt-oss-120b', {}, true],
    ['custom_openai/my-model', { supports_reasoning: true }, true],
    ['custom_openai/qwen3-32b', { supports_reasoning: false }, false],
    ['custom_openai/my-model', { base_model: 'deepseek-r1' }, true],
  ])('gets the effort that Messages and Responses ask for (%s, %j: %s)', async (model, info, isSent) => {
    const [provider, origin] = await ScriptedProvider.start(at(OPENAI_SCRIPT, model), () => ({ text: 'Hi' }));
    const deployment = provider.deployment('m', origin);
    const modelList = [{ ...deployment, model_info: { ...deployment.model_info, ...info } }];
    const gateway = await GatewayApp.start('Express', {}, { module: { router: { modelList, numRetries: 0 } } });
    await gateway.post('/v1/messages', {
      model: 'm',
      max_tokens: 9,
      messages: [{ role: 'user', content: 'Hi' }],
      thinking: { type: 'adaptive' },
    });
    await gateway.post('/v1/responses', { model: 'm', input: 'Hi', reasoning: { effort: 'low' } });
    expect(provider.asked.map(({ reasoning_effort: effort }) => effort)).toEqual(isSent ? ['medium', 'low'] : [undefined, undefined]);
    await gateway.stop();
  });
});

describe('tools of Codex at a provider of chat', () => {
  const call = { name: 'crm__find', input: { id: 7 } };
  const tools = [
    { type: 'function', name: 'shell', parameters: { type: 'object', properties: {} } },
    {
      type: 'namespace',
      name: 'crm',
      description: 'Customers',
      tools: [{ type: 'function', name: 'find', parameters: { type: 'object' } }],
    },
    { type: 'web_search', external_web_access: false },
  ];
  afterAll(stopProviders);

  it('are functions with the names of their namespaces, there and back', async () => {
    const [provider, origin] = await ScriptedProvider.start(PROVIDERS.Groq, (index) =>
      index < 2 ? { calls: [call] } : { text: 'Found.' },
    );
    const modelList = [provider.deployment('m', origin)];
    const gateway = await GatewayApp.start('Express', {}, { module: { router: { modelList, numRetries: 0 } } });
    const { text } = await gateway.post('/v1/responses', { model: 'm', input: 'Find 7', tools, store: false });
    const { output } = JSON.parse(text) as { output: Json[] };
    expect(output).toMatchObject([{ type: 'function_call', name: 'find', namespace: 'crm', arguments: '{"id":7}' }]);
    const streamed = await gateway.post('/v1/responses', { model: 'm', input: 'Find 7', tools, stream: true });
    expect(streamed.text.match(/"name":"find","namespace":"crm"/g)?.length).toBeGreaterThan(1);
    const result = { type: 'function_call_output', call_id: output[0].call_id, output: 'Anna' };
    await gateway.post('/v1/responses', { model: 'm', input: [{ role: 'user', content: 'Find 7' }, ...output, result], tools });
    const { tools: sent, messages } = provider.asked[2] as { tools: { function: Json }[]; messages: Json[] };
    expect(sent.map(({ function: { name } }) => name)).toEqual(['shell', 'crm__find']);
    expect(messages[1]).toMatchObject({ tool_calls: [{ function: { name: 'crm__find' } }] });
    // Alone they would be the whole request.
    const alone = await gateway.post('/v1/responses', { model: 'm', input: 'News?', tools: tools.slice(2) });
    expect([alone.status, alone.text]).toEqual([400, expect.stringContaining('tools[0] is not supported')]);
    await gateway.stop();
  });
});
