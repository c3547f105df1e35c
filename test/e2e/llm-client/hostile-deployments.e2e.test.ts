import type { IncomingMessage } from 'node:http';
import { FastLiteLLM, type LlmClient, type ModelListEntry, type RouterService } from 'nestjs-fast-litellm';
import { HELLO, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { entry } from './uncallable-deployments.js';
import { fromMinute } from '../../support/until.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const ANSWER = JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' } }] });
const opened: FastLiteLLM[] = [];

function open(modelList: readonly ModelListEntry[], env: Record<string, string> = {}): { client: LlmClient; router: RouterService } {
  const llm = new FastLiteLLM({ router: { modelList, numRetries: 0 }, logger: quiet }, { env, now: fromMinute() });
  opened.push(llm);
  return llm;
}

describe('models that a request completes', () => {
  const requests: string[] = [];
  let base: string;

  beforeAll(async () => {
    base = await scripted((request, response) => {
      requests.push(request.url ?? '');
      response.setHeader('content-type', 'application/json').end(ANSWER);
    });
  });
  beforeEach(() => requests.splice(0));
  afterEach(() => Promise.all(opened.splice(0).map((llm) => llm.close())));
  afterAll(stopProviders);

  it.each(['azure/', 'azure/.', 'azure/..', 'azure/\ud800', 'openai/', 'openai/\udfff'])(
    'refuses %j as the mistake of its client, whole and streamed, and sends nothing',
    async (model) => {
      const { client, router } = open([
        entry({ model: 'azure/*', api_base: base.replace('/v1', ''), api_key: 'k' }, 'azure', 'azure/*'),
        entry({ model: 'openai/*', api_base: base, api_key: 'k' }, 'openai', 'openai/*'),
      ]);
      for (const stream of [false, true]) {
        await expect(client.chat({ model, messages: HELLO, stream })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      }
      expect(requests).toEqual([]);
      expect(router.status().map(({ state, failures, inFlight }) => [state, failures, inFlight])).toEqual([
        ['available', 0, 0],
        ['available', 0, 0],
      ]);
    },
  );

  it.each(['ollama/m', 'llamafile/m', 'lemonade/m', 'xinference/m', 'docker_model_runner/m'])(
    'lets no client call a port of this machine by %s, unless the environment names it',
    async (model) => {
      const any = entry({ model: '*' }, 'any', '*');
      const asked = open([any], { OPENAI_API_KEY: 'sk-openai' }).client.chat({ model, messages: HELLO });
      await expect(asked).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      const variable = `${model.split('/')[0].toUpperCase()}_API_BASE`;
      await open([any], { [variable]: base }).client.chat({ model, messages: HELLO });
      expect(requests).toHaveLength(1);
    },
  );
});

describe('variables in a deployment outside litellm_params', () => {
  afterEach(() => Promise.all(opened.splice(0).map((llm) => llm.close())));
  const listed = { litellm_params: { model: 'openai/gpt-4o', api_key: 'k' }, model_info: { id: 'a' } };

  it('are resolved, as LiteLLM resolves its whole file', () => {
    const named = { ...listed, model_name: 'os.environ/GROUP', rpm: 'os.environ/RPM' } as unknown as ModelListEntry;
    const { router } = open([named], { GROUP: 'chat', RPM: '7' });
    expect(router.deployments().map(({ modelName, rpm }) => [modelName, rpm])).toEqual([['chat', 7]]);
  });

  it.each([
    [{ api_base: 'os.environ/NO_BASE' }, 'variable NO_BASE is not set', 'set it, or'],
    [{ api_base: 'os.environ/NO_BASE', api_key: 'os.environ/NO_KEY' }, 'variables NO_KEY, NO_BASE are not set', 'set them, or'],
  ])('are named in what has to be corrected: %j', (own, reason, remedy) => {
    const { router } = open([{ model_name: 'chat', litellm_params: { ...listed.litellm_params, ...own } }]);
    const corrected: unknown = { reason: expect.stringContaining(reason), remedy: expect.stringContaining(remedy) };
    expect(router.status()).toMatchObject([{ state: 'uncallable', uncallable: corrected }]);
  });

  it.each([{ model_name: 'os.environ/NO_SUCH' }, { model_name: 'chat', rpm: 'os.environ/NO_SUCH' }])(
    'stop the deployment where they are not set, not the app: %j',
    (own) => {
      const { router } = open([{ ...listed, ...own }]);
      expect(router.status()).toMatchObject([
        { state: 'uncallable', uncallable: { reason: expect.stringContaining('NO_SUCH') as string } },
      ]);
    },
  );

  it('make it uncallable where an address is empty, so that its key does not go to the default address', () => {
    const params = { model: 'openai/gpt-4o', api_key: 'sk-for-mine', api_base: 'os.environ/HOST' };
    for (const HOST of ['', ' '])
      expect(open([entry(params, 'a')], { HOST }).router.status()).toMatchObject([
        { state: 'uncallable', uncallable: { reason: expect.stringContaining('HOST') as string } },
      ]);
  });
});

describe('a provider that repeats the key it rejects', () => {
  const KEY = 'sk/a+b"c\\d==';
  afterAll(async () => {
    await Promise.all(opened.splice(0).map((llm) => llm.close()));
    await stopProviders();
  });

  it.each(['plain', 'with escaped slashes', 'as an event'])('does not show it to the client: %s', async (how) => {
    const said = JSON.stringify({ error: { message: `no such key: ${KEY}.`, code: KEY, type: KEY, param: KEY } });
    const error = how === 'with escaped slashes' ? said.replaceAll('/', '\\/') : said;
    const isEvent = how === 'as an event';
    const base = await scripted((_: IncomingMessage, response) => {
      response.writeHead(isEvent ? 200 : 400, { 'content-type': isEvent ? 'text/event-stream' : 'application/json' });
      response.end(isEvent ? `data: ${error}\n\n` : error);
    });
    const { client } = open([entry({ model: 'openai/m', api_base: base, api_key: KEY }, 'a')]);
    const asked = client.chat({ model: 'chat', messages: HELLO, stream: isEvent });
    const told = JSON.stringify(await asked.catch((thrown: { getResponse(): object }) => thrown.getResponse()));
    expect(told).toContain('no such key: ***.');
    expect(told).not.toContain('sk/a');
  });
});
