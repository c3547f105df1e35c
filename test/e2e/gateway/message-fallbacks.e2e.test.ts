import { FastLiteLLM, type CallOptions, type LlmAnswer, type ModelRequest } from 'nestjs-fast-litellm';
import { stopProviders } from '../../support/llm-client-providers.js';
import { recorder, sendChat, sendJson, type Recorder } from '../../support/responses-gateway.js';

type Json = Readonly<Record<string, unknown>>;

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const MESSAGE = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude',
  content: [{ type: 'text', text: 'Hi' }],
  stop_reason: 'end_turn',
  usage: { input_tokens: 1, output_tokens: 1 },
};

describe('`fallbacks` in a body of the Messages API', () => {
  let isDown = false;
  let anthropic: Recorder;
  let chat: Recorder;
  let llm: FastLiteLLM;
  beforeAll(async () => {
    anthropic = await recorder((_, __, response) =>
      sendJson(response, isDown ? { error: { message: 'busy' } } : MESSAGE, isDown ? 503 : 200),
    );
    chat = await recorder((_, body, response) => sendChat(response, body, { content: 'From chat' }));
    const claude = { model: 'anthropic/claude-opus-4-6', api_base: anthropic.apiBase, api_key: 'k' };
    const modelList = [
      { model_name: 'claude', litellm_params: claude },
      { model_name: 'chat', litellm_params: { model: 'groq/llama', api_base: chat.apiBase, api_key: 'k' } },
    ];
    llm = new FastLiteLLM({ router: { modelList, numRetries: 0, disableCooldowns: true }, logger: quiet });
  });
  afterAll(async () => {
    await llm.close();
    await stopProviders();
  });

  async function ask(model: string, fallbacks: unknown, options?: CallOptions): Promise<string> {
    const body = { model, max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }], fallbacks } as ModelRequest;
    const { content } = ((await llm.client.messages(body, options)) as LlmAnswer).json<{ content: { text: string }[] }>();
    return content[0].text;
  }

  it.each([
    ['default'],
    [[{ model: 'claude-sonnet-5' }]],
    [
      [
        { model: 'claude-sonnet-5', max_tokens: 5, thinking: { type: 'disabled' } },
        { model: 'claude-haiku-5', speed: 'fast' },
      ],
    ],
  ])("are Anthropic's as %j, which no other provider gets", async (fallbacks) => {
    isDown = false;
    expect(await ask('claude', fallbacks)).toBe('Hi');
    expect(anthropic.requests.at(-1)?.body.fallbacks).toEqual(fallbacks);
    expect(await ask('chat', fallbacks)).toBe('From chat');
    expect(chat.requests.at(-1)?.body).not.toHaveProperty('fallbacks');
  });

  it.each<[unknown]>([
    [['chat']],
    [[{ claude: ['chat'] }]],
    [{ claude: ['chat'] }],
    [[{ model: 'chat', messages: [{ role: 'user', content: 'Shorter' }] }]],
  ])("are the router's as %j", async (fallbacks) => {
    isDown = true;
    expect(await ask('claude', fallbacks)).toBe('From chat');
    expect(anthropic.requests.at(-1)?.body).not.toHaveProperty('fallbacks');
  });

  it('are checked against the models of the caller, whether the gateway or Anthropic falls back', async () => {
    const mayCall = (model: string): boolean => model === 'claude' || model === 'claude-sonnet-5';
    isDown = false;
    expect(await ask('claude', [{ model: 'claude-sonnet-5' }], { mayCall })).toBe('Hi');
    await expect(ask('claude', [{ model: 'claude-opus-5' }], { mayCall })).rejects.toThrow(
      /fallbacks: must contain only models that the caller is allowed to use/,
    );
  });

  it("are the router's in all other APIs", async () => {
    const body = { model: 'claude', messages: [{ role: 'user', content: 'Hi' }], fallbacks: [{ model: 'chat' }] };
    isDown = true;
    expect((await llm.client.chat(body)).json<{ choices: Json[] }>().choices[0]).toMatchObject({ message: { content: 'From chat' } });
  });
});
