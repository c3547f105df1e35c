import OpenAI from 'openai';
import { closeClients, clientOf } from '../../support/llm-client-setup.js';
import { deploymentOf, stopProviders } from '../../support/llm-client-providers.js';
import { gatewayTo, recorder, sendChat, sendEvents, sendJson } from '../../support/responses-gateway.js';

const USAGE = { prompt_tokens: 2, completion_tokens: 2, total_tokens: 4 };
const completion = (text: string, finish: string | null = 'stop') => ({
  id: 'cmpl-1',
  object: 'text_completion',
  created: 1,
  model: 'local',
  choices: [{ index: 0, text, logprobs: null, finish_reason: finish }],
});

/** A server with completions, or with chat alone. */
async function gatewayOver(model: string, hasCompletions: boolean) {
  const provider = await recorder((url, body, response) => {
    if (url.endsWith('/chat/completions')) sendChat(response, body, { content: 'upon a time' });
    else if (!hasCompletions) sendJson(response, { error: { message: 'This is a chat model', code: null } }, 404);
    else if (body.stream !== true) sendJson(response, { ...completion('upon a time'), usage: USAGE });
    else
      sendEvents(response, [completion('upon ', null), completion('a time'), { ...completion(''), choices: [], usage: USAGE }, '[DONE]']);
  });
  const { client } = clientOf({ modelList: [deploymentOf('m', { name: 'local', apiBase: provider.apiBase }, { model })] });
  return { sdk: new OpenAI({ baseURL: await gatewayTo(client), apiKey: 'sk', maxRetries: 0 }), requests: provider.requests };
}

afterEach(async () => {
  await closeClients();
  await stopProviders();
});

describe.each([
  ['at a provider with completions', 'hosted_vllm/llama', true, '/v1/completions'],
  ['at a provider with chat alone', 'groq/llama', false, '/v1/chat/completions'],
  ['at a server that turns out to have chat alone', 'openai/llama', false, '/v1/chat/completions'],
])('completions %s', (_, model, hasCompletions, path) => {
  it('serve the SDK of OpenAI, whole and streamed', async () => {
    const { sdk, requests } = await gatewayOver(model, hasCompletions);
    const whole = await sdk.completions.create({ model: 'm', prompt: 'Once', max_tokens: 5 });
    expect(whole).toMatchObject({ object: 'text_completion', choices: [{ text: 'upon a time', finish_reason: 'stop' }] });
    expect(whole.usage?.total_tokens).toBeGreaterThan(0);
    for (const asked of [undefined, { include_usage: true }]) {
      const chunks: OpenAI.Completion[] = [];
      for await (const chunk of await sdk.completions.create({ model: 'm', prompt: 'Once', stream: true, stream_options: asked }))
        chunks.push(chunk);
      expect(chunks.map(({ choices }) => choices[0]?.text ?? '').join('')).toBe('upon a time');
      expect(chunks.some(({ choices }) => choices[0]?.finish_reason === 'stop')).toBe(true);
      expect(chunks.filter(({ usage }) => typeof usage?.total_tokens === 'number')).toHaveLength(asked === undefined ? 0 : 1);
    }
    expect(requests.at(-1)?.url).toBe(path);
    expect(requests.filter(({ url }) => url === path)).toHaveLength(3);
  });

  it('take several prompts only where the provider has completions', async () => {
    const { sdk } = await gatewayOver(model, hasCompletions);
    await sdk.completions.create({ model: 'm', prompt: 'a' });
    const asked = sdk.completions.create({ model: 'm', prompt: ['a', 'b'] });
    if (hasCompletions) await expect(asked).resolves.toMatchObject({ object: 'text_completion' });
    else await expect(asked).rejects.toMatchObject({ status: 400, param: 'prompt' });
  });
});
