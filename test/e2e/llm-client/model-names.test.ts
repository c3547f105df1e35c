import { closeClients, clientOf } from '../../support/llm-client-setup.js';
import { scripted, stopProviders } from '../../support/llm-client-providers.js';

afterAll(async () => {
  await closeClients();
  await stopProviders();
});

const PROVIDERS = ['openai', 'anthropic', 'gemini', 'bedrock', 'azure', 'mistral'];
const NAMES = ['\ud800', '..', '../..', 'a/../../b', '..\\..', 'a/.', './a'];

describe('the name of a model behind a wildcard', () => {
  it('is refused for every API and protocol where it is no part of a path', async () => {
    const asked: string[] = [];
    const api_base = await scripted((request, response) => {
      asked.push(request.url ?? '');
      response.end('{}');
    });
    const modelList = PROVIDERS.map((name) => ({
      model_name: `${name}/*`,
      litellm_params: { model: `${name}/*`, api_base, api_key: 'sk-secret' },
    }));
    const { client } = clientOf({ modelList, numRetries: 0 });
    const messages = [{ role: 'user', content: 'a' }];
    for (const model of PROVIDERS.flatMap((name) => NAMES.map((end) => `${name}/${end}`))) {
      const calls = [
        client.chat({ model, messages }),
        client.messages({ model, messages, max_tokens: 5 }),
        client.responses({ model, input: 'a' }),
        client.completions({ model, prompt: 'a' }),
        client.embeddings({ model, input: 'a' }),
        client.images({ model, prompt: 'a' }),
      ];
      for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', path: 'model' });
    }
    await client.embeddings({ model: 'openai/a/b', input: 'a' });
    expect(asked).toEqual(['/v1/embeddings']);
  });
});
