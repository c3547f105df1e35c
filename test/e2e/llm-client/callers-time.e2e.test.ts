import { LlmStream } from 'nestjs-fast-litellm';
import { deploymentOf, HELLO, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { clientOf, closeClients, type OpenClient } from '../../support/llm-client-setup.js';

/** Three deployments of one group; a failure of any cools it at once where it counts. */
async function openAt(apiBase: string, params: Record<string, unknown> = {}, router: object = {}): Promise<OpenClient> {
  const modelList = ['a', 'b', 'c'].map((name) => deploymentOf('chat', { name, apiBase }, params));
  return clientOf({ modelList, numRetries: 0, allowedFails: 0, cooldownMs: 60_000, ...router });
}

const states = ({ router }: OpenClient): readonly string[] => router.status().map(({ state, failures }) => `${state} ${failures}`);
const WELL = ['available 0', 'available 0', 'available 0'];

describe('a caller with a short time limit, as in LiteLLM', () => {
  afterEach(async () => {
    await closeClients();
    await stopProviders();
  });

  const ask = async (open: OpenClient, body: object): Promise<void> => {
    const asked = open.client.chat({ model: 'chat', messages: HELLO, ...body });
    const answered = asked.then(async (answer) => {
      if (answer instanceof LlmStream) for await (const chunk of answer) void chunk;
    });
    await expect(answered).rejects.toMatchObject({ code: 'PROVIDER_TIMEOUT' });
  };
  const silent = (): Promise<string> => scripted(() => {});
  const stalled = (): Promise<string> =>
    scripted((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n');
    });

  it.each([
    ['timeout', { timeout: 0.02 }],
    ['timeout of a stream', { timeout: 0.02, stream: true }],
    ['stream_timeout', { stream_timeout: 0.02, stream: true }],
  ])('causes no cooldown: %s', async (_, body) => {
    const open = await openAt(await silent());
    for (let i = 0; i < 9; i++) await ask(open, body);
    expect(states(open)).toEqual(WELL);
  });

  it('causes no cooldown by a time-out in the middle of a stream', async () => {
    const open = await openAt(await stalled());
    for (let i = 0; i < 3; i++) await ask(open, { timeout: 0.1, stream: true });
    expect(states(open)).toEqual(WELL);
  });

  it.each([
    ['of the deployment', { timeout: 0.02 }, {}, { timeout: 500 }],
    ['of the router', {}, { timeoutMs: 20 }, { timeout: 500 }],
    ['of the deployment for streams', { stream_timeout: 0.02 }, {}, { stream: true, stream_timeout: 500 }],
  ])('does not hide a deployment that exceeds the time limit %s', async (_, params, router, body) => {
    const open = await openAt(await silent(), params, router);
    await ask(open, body);
    expect(states(open).filter((state) => state === 'cooling 1')).toHaveLength(1);
  });

  it('causes no cooldown by a model that no provider behind a * has', async () => {
    const apiBase = await scripted((_, response) => {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":{"message":"no such model"}}');
    });
    const modelList = ['a', 'b'].map((name) => deploymentOf('openai/*', { name, apiBase }, { model: 'openai/*' }));
    const open = clientOf({ modelList, numRetries: 0, cooldownMs: 60_000 });
    for (let i = 0; i < 4; i++) {
      await expect(open.client.chat({ model: `openai/none-${i}`, messages: HELLO })).rejects.toMatchObject({ code: 'PROVIDER_NOT_FOUND' });
    }
    expect(states(open)).toEqual(['available 0', 'available 0']);
  });
});
