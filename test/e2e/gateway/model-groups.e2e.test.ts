import { FastLiteLLM, type ModelListEntry } from 'nestjs-fast-litellm';
import { engineNames } from '../../support/engine-names.js';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { oneOrAll } from '../../support/long.js';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';

// A model group of a free name is counted as the model of its deployments.

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const LIMIT = 1_000_000;
const MAX_TOKENS = 100;
// Of this text cl100k_base makes nearly twice as many tokens as o200k_base.
const SENTENCE = 'Сегодня хорошая погода, и мы идём гулять в парк. ';
const MODELS = ['gpt-4o', 'gpt-4'];

afterAll(stopProviders);

describe.each(oneOrAll(Object.keys(ADAPTERS) as AdapterName[]))('the gateway on %s', (adapter) => {
  describe.each(engineNames())('with the %s engine and model groups of free names', (engine) => {
    const { tokenCounter: alone, client } = new FastLiteLLM({ engine, logger: quiet }, { env: {} });
    const chat = (model: string, repeats: number) => ({
      model,
      max_tokens: MAX_TOKENS,
      messages: [{ role: 'user', content: SENTENCE.repeat(repeats) }],
    });
    let gateway: GatewayApp;
    let deployment: (group: string, params: Readonly<Record<string, unknown>>, info?: Readonly<Record<string, unknown>>) => ModelListEntry;

    beforeAll(async () => {
      const provider = await testProvider('openai', { script: { text: 'Yes.', usage: { promptTokens: 10, completionTokens: 1 } } });
      deployment = (group, params, info) => provider.deployment(group, params, info);
      const modelList = [
        ...MODELS.map((model) => deployment(`as ${model}`, { model: `openai/${model}` }, { max_input_tokens: LIMIT })),
        deployment('writer', { model: 'anthropic/claude-opus-4-7', custom_llm_provider: 'openai' }),
        deployment('open', { model: 'groq/openai/gpt-oss-120b' }),
        deployment('based', { model: 'openai/house' }, { base_model: 'gpt-4o' }),
        deployment('team/*', { model: 'openai/*' }),
        deployment('windowed', { model: 'openai/gpt-4o' }, { max_input_tokens: alone.estimatePrompt(chat('gpt-4o', 100)) }),
        deployment('changing', { model: 'openai/gpt-4' }, { id: 'changing' }),
      ];
      gateway = await GatewayApp.start(
        adapter,
        {},
        {
          module: {
            engine,
            rateLimit: { tokensPerMinute: LIMIT },
            router: { modelList, enablePreCallChecks: true, numRetries: 0, modelGroupAlias: { alias: 'based' } },
          },
        },
      );
    });
    afterAll(() => gateway.stop());

    let keys = 0;
    /** Tokens that the guard reserves for a chat, by the headers of its answer. */
    const reserved = async (body: object): Promise<number> => {
      const { status, headers } = await gateway.post('/v1/chat/completions', body, { authorization: `Bearer key-${keys++}` });
      expect(status).toBe(200);
      return LIMIT - Number(headers['x-ratelimit-remaining-tokens']);
    };

    // Short bodies are parsed, long ones stay bytes, and the longest are counted off the main thread.
    it.each([1, 400, 4_000])('reserves the tokens of the model of the deployment, of %d sentences', async (repeats) => {
      const names = [...MODELS.map((model) => [`as ${model}`, model]), ['based', 'gpt-4o'], ['alias', 'gpt-4o'], ['team/gpt-4o', 'gpt-4o']];
      for (const [name, model] of names) {
        const expected = alone.estimatePrompt(chat(model, repeats)) + MAX_TOKENS;
        expect([name, await reserved(chat(name, repeats))]).toEqual([name, expected]);
      }
    });

    it('reserves the bound of an estimate by the model of the deployment', async () => {
      const expected = alone.estimatePrompt(chat('claude-opus-4-7', 20)) + MAX_TOKENS;
      expect(await reserved(chat('writer', 20))).toBe(expected);
    });

    it('answers the routes that count by the same model', async () => {
      const { messages } = chat('', 20);
      const expected = alone.estimatePrompt({ model: 'gpt-4o', messages });
      const ofMessages = await gateway.post('/v1/messages/count_tokens', { model: 'as gpt-4o', messages });
      const ofResponses = await gateway.post('/v1/responses/input_tokens', { model: 'as gpt-4o', input: messages });
      expect(JSON.parse(ofMessages.text)).toEqual({ input_tokens: expected });
      expect(JSON.parse(ofResponses.text)).toEqual(await client.countResponseTokens({ model: 'gpt-4o', input: messages }));
      expect(await gateway.llm.client.countTokensExact({ model: 'open', messages })).toEqual({
        source: 'local',
        reason: 'unsupported',
        promptTokens: alone.countRequest({ model: 'gpt-oss-120b', messages }).promptTokens,
        approximate: false,
      });
    });

    it('compares prompts with the window of a deployment by its tokens', async () => {
      await reserved(chat('windowed', 100));
      const { status, text } = await gateway.post('/v1/chat/completions', chat('windowed', 101));
      expect([status, text]).toEqual([400, expect.stringContaining('context_length_exceeded')]);
      const explained = (repeats: number) => gateway.llm.router.explain('windowed', { messages: chat('', repeats).messages });
      expect(explained(100).deployments[0].eligible).toBe(true);
      expect(explained(101).deployments[0].reason).toBe('context_window');
    });

    it('follows a deployment that changes while the app runs', async () => {
      const expected = (model: string): number => alone.estimatePrompt(chat(model, 50)) + MAX_TOKENS;
      expect(await reserved(chat('changing', 50))).toBe(expected('gpt-4'));
      const { litellm_params } = deployment('changing', { model: 'openai/gpt-4o' });
      gateway.llm.router.updateDeployment('changing', { litellm_params });
      expect(await reserved(chat('changing', 50))).toBe(expected('gpt-4o'));
    });
  });
});
