import fc from 'fast-check';
import { DeploymentFault } from './deployment-fault.js';
import { ProviderEndpoint, type EndpointParams } from './endpoint.js';
import { upstreamModel } from './resolution.js';
import { baseVariables, keyVariables, SPOKEN } from './provider-table.environment.js';

let isMissing = false;
jest.mock('../../common/optional-package.js', () => ({
  ...jest.requireActual<object>('../../common/optional-package.js'),
  isInstalled: () => !isMissing,
}));

const endpoint = (params: Partial<EndpointParams>, env: Record<string, string> = {}): ProviderEndpoint =>
  new ProviderEndpoint({ model: 'openai/gpt-4o', ...params }, 'a', env);
const urlOf = (asked: ProviderEndpoint, model: string): string => asked.origin + asked.pathOf('/chat/completions', upstreamModel(model));
const headerOf = ({ headers }: ProviderEndpoint, name: string): string | undefined => {
  const at = headers.indexOf(name);
  return at < 0 ? undefined : headers[at + 1];
};
const keyOf = (asked: ProviderEndpoint): string | undefined => {
  const { keyHeader } = SPOKEN[asked.provider];
  return keyHeader === undefined ? headerOf(asked, 'authorization')?.replace('Bearer ', '') : headerOf(asked, keyHeader);
};
const withBase = Object.entries(SPOKEN).flatMap(([name, { base }]) => (base === undefined ? [] : [[name, base] as const]));
const withOpenAIs = withBase.filter(([name]) => SPOKEN[name].protocol === undefined);

describe('each provider with a default address', () => {
  it.each(withOpenAIs)('calls %s at its default address, with its key of the environment', (name, base) => {
    const model = `${name}/org/m`;
    const [variable] = keyVariables(name);
    const asked = endpoint(
      { model },
      { [variable]: 'key-of-it', OPENAI_API_KEY: variable === 'OPENAI_API_KEY' ? 'key-of-it' : 'sk-openai' },
    );
    expect(urlOf(asked, model)).toBe(`${base}/chat/completions`);
    expect(keyOf(asked)).toBe('key-of-it');
    expect(asked.pathOf('/embeddings', 'm')).toBe(`${new URL(`${base}/embeddings`).pathname}`);
  });

  it.each(withOpenAIs)('calls %s at that address when only its host or a whole operation is configured', (name, base) => {
    const model = `${name}/m`;
    const [variable] = keyVariables(name);
    for (const written of [
      new URL(base).origin,
      `${new URL(base).origin}/`,
      base,
      `${base}/`,
      `${base}/chat/completions`,
      `${base}/embeddings`,
    ]) {
      const asked = endpoint({ model, api_base: written }, { [variable]: 'key-of-it' });
      expect(urlOf(asked, model)).toBe(`${base}/chat/completions`);
      expect(keyOf(asked)).toBe('key-of-it');
    }
  });

  it.each(withBase.filter(([name]) => SPOKEN[name].keyOptional !== true))(
    '%s cannot be called without a key, and says which variable',
    (name) => {
      const missing = endpoint({ model: `${name}/m` }).missingKey();
      expect(missing?.reason).toContain(keyVariables(name).join(', '));
      expect(missing?.remedy).toContain(`os.environ/${keyVariables(name)[0]}`);
      expect(endpoint({ model: `${name}/m`, api_key: 'k' }).missingKey()).toBeUndefined();
      expect(endpoint({ model: `${name}/m`, extra_headers: { 'X-Api-Key': 'k' } }).missingKey()).toBeUndefined();
    },
  );
});

describe('addresses in the forms found in configurations', () => {
  it.each([
    ['anthropic/claude', 'https://api.anthropic.com/v1/messages', 'https://api.anthropic.com/v1/chat/completions'],
    ['anthropic/claude', 'https://api.anthropic.com', 'https://api.anthropic.com/v1/chat/completions'],
    ['claude-sonnet-5', 'https://api.anthropic.com/v1/', 'https://api.anthropic.com/v1/chat/completions'],
    ['anthropic/claude', 'http://proxy:4000', 'http://proxy:4000/v1/chat/completions'],
    ['anthropic/claude', 'http://proxy:4000/v1/messages', 'http://proxy:4000/v1/chat/completions'],
    ['anthropic/MiniMax-M2', 'https://api.minimax.io/anthropic', 'https://api.minimax.io/anthropic/v1/chat/completions'],
    ['ollama/llama3', 'http://o:11434/api/generate', 'http://o:11434/v1/chat/completions'],
    ['ollama_chat/llama3', 'http://o:11434/api/chat/', 'http://o:11434/v1/chat/completions'],
    ['ollama/llama3', 'http://o:11434/api', 'http://o:11434/v1/chat/completions'],
    ['ollama/llama3', 'http://o:11434/v1', 'http://o:11434/v1/chat/completions'],
    ['openai/g', 'https://api.openai.com/v1/responses', 'https://api.openai.com/v1/chat/completions'],
    ['openai/g', 'https://api.openai.com', 'https://api.openai.com/v1/chat/completions'],
    ['cohere/command-r', 'https://api.cohere.com/v2/chat', 'https://api.cohere.com/compatibility/v1/chat/completions'],
    ['cohere_chat/command-r', 'https://api.cohere.ai/v1', 'https://api.cohere.ai/compatibility/v1/chat/completions'],
    ['moonshot/kimi-k2', 'http://127.0.0.1:9000/v1', 'http://127.0.0.1:9000/v1/chat/completions'],
    ['hosted_vllm/meta-llama/L', 'http://gpu:8000/v1/completions', 'http://gpu:8000/v1/chat/completions'],
    ['heroku/claude', 'https://us.inference.heroku.com', 'https://us.inference.heroku.com/v1/chat/completions'],
    ['azure/d', 'https://r.openai.azure.com/openai/v1/responses', 'https://r.openai.azure.com/openai/v1/chat/completions'],
    ['openai/g', 'https://h/v1////', 'https://h/v1/chat/completions'],
  ])('calls %s at %s by the address %s', (model, api_base, url) =>
    expect(urlOf(endpoint({ model, api_base, api_key: 'k' }), model)).toBe(url),
  );

  it('reads the region before the model', () => {
    const model = 'bedrock_mantle/us-west-2/openai.gpt-oss-120b';
    expect(urlOf(endpoint({ model }), model)).toBe('https://bedrock-mantle.us-west-2.api.aws/v1/chat/completions');
    expect(upstreamModel(model)).toBe('openai.gpt-oss-120b');
    expect(upstreamModel('bedrock_mantle/openai.gpt-oss-120b')).toBe('openai.gpt-oss-120b');
  });

  it('rejects regions with other characters than letters, digits and hyphens', () => {
    const asked = endpoint({ model: 'bedrock_mantle/m', aws_region_name: 'eu-west-1' }, { AWS_BEARER_TOKEN_BEDROCK: 'b' });
    expect([asked.origin, headerOf(asked, 'authorization')]).toEqual(['https://bedrock-mantle.eu-west-1.api.aws', 'Bearer b']);
    for (const region of ['evil.example/', 'a.b', 'x@evil', 'EU', 'a b', '../x', 'a#'])
      expect(() => endpoint({ model: 'bedrock_mantle/m', aws_region_name: region })).toThrow(
        'aws_region_name: must contain only lower-case letters',
      );
  });
});

describe('Azure', () => {
  const at = { model: 'azure/d', api_base: 'https://r.openai.azure.com' };

  it('sends its key of the environment to hosts of Azure only', () => {
    const env = { AZURE_API_KEY: 'az' };
    for (const host of ['r.openai.azure.com', 'r.cognitiveservices.azure.com', 'r.services.ai.azure.com'])
      expect(headerOf(endpoint({ ...at, api_base: `https://${host}` }, env), 'api-key')).toBe('az');
    for (const host of ['openai.azure.com.evil.example', 'evilopenai.azure.com', 'r.openai.azure.com:444', 'gateway.corp'])
      expect(headerOf(endpoint({ ...at, api_base: `https://${host}` }, env), 'api-key')).toBeUndefined();
    expect(headerOf(endpoint({ ...at, api_base: 'http://r.openai.azure.com' }, env), 'api-key')).toBeUndefined();
    expect(
      headerOf(endpoint({ ...at, api_base: 'https://gateway.corp' }, { ...env, AZURE_API_BASE: 'https://gateway.corp/x' }), 'api-key'),
    ).toBe('az');
    expect(headerOf(endpoint(at, { AZURE_AD_TOKEN: 'token' }), 'authorization')).toBe('Bearer token');
  });

  it('is uncallable without a key or a token, or with Entra credentials without the library', () => {
    expect(endpoint(at).missingKey()?.reason).toContain('AZURE_OPENAI_API_KEY, AZURE_API_KEY');
    expect(endpoint({ ...at, tenant_id: 't', client_id: 'c', client_secret: 'secret-of-it' }).missingKey()).toBeUndefined();
    isMissing = true;
    const entra = endpoint({ ...at, tenant_id: 't', client_id: 'c', client_secret: 'secret-of-it' }).missingKey();
    isMissing = false;
    expect(entra).toMatchObject({
      reason: 'authentication with Microsoft Entra ID requires @azure/identity, which is not installed',
      remedy: 'npm install @azure/identity, or set api_key',
    });
    expect(entra?.message).not.toContain('secret-of-it');
    expect(() => endpoint({ model: 'azure/d', api_key: 'k' })).toThrow(
      'api_base: must be set, because azure has no default address; set it, or AZURE_API_BASE',
    );
  });

  it.each([
    ['https://r.services.ai.azure.com', 'https://r.services.ai.azure.com/anthropic/v1/messages'],
    ['https://r.services.ai.azure.com/models', 'https://r.services.ai.azure.com/anthropic/v1/messages'],
    ['https://r.services.ai.azure.com/anthropic/', 'https://r.services.ai.azure.com/anthropic/v1/messages'],
    ['https://r.services.ai.azure.com/anthropic/v1', 'https://r.services.ai.azure.com/anthropic/v1/messages'],
    ['https://gateway.corp/azure/anthropic/v1/messages', 'https://gateway.corp/azure/anthropic/v1/messages'],
  ])("calls Claude on azure_ai at %s by Anthropic's protocol", (base, url) => {
    const asked = endpoint({ model: 'azure_ai/claude-opus-4-5', api_base: base, api_key: 'k' });
    expect(asked.protocol.name).toBe('anthropic');
    expect(asked.origin + asked.pathOf('/messages', 'claude-opus-4-5')).toBe(url);
    expect(headerOf(asked, 'api-key')).toBe('k');
    expect(endpoint({ model: 'azure_ai/mistral-large', api_base: base, api_key: 'k' }).protocol.name).toBe('openai');
  });

  it('does not send the key of the environment to a foreign host for Claude', () => {
    const asked = endpoint(
      { model: 'azure_ai/claude-opus-4-5', api_base: 'https://evil.corp/x.services.ai.azure.com/anthropic' },
      { AZURE_AI_API_KEY: 'az' },
    );
    expect(asked.headers.join()).not.toContain('az');
    expect(asked.keptBack).toEqual(['AZURE_AI_API_KEY']);
  });
});

describe('Anthropic', () => {
  const model = 'anthropic/claude-opus-4-5';

  it.each([
    ['an API key as x-api-key', { api_key: 'sk-ant-api03-1' }, {}, { 'x-api-key': 'sk-ant-api03-1' }],
    ["the environment's key first", {}, { ANTHROPIC_API_KEY: 'sk-key', ANTHROPIC_AUTH_TOKEN: 'token' }, { 'x-api-key': 'sk-key' }],
    ["the environment's token as Bearer", {}, { ANTHROPIC_AUTH_TOKEN: 'token' }, { authorization: 'Bearer token' }],
    [
      'a token of a person as Bearer, with its beta',
      { api_key: 'sk-ant-oat01-1', extra_headers: { 'Anthropic-Beta': 'context-1m-2025-08-07' } },
      {},
      { authorization: 'Bearer sk-ant-oat01-1', 'anthropic-beta': 'oauth-2025-04-20,context-1m-2025-08-07' },
    ],
  ])('gets %s', (_, params, env, headers) => {
    const asked = endpoint({ model, ...params }, env);
    expect(Object.fromEntries(Object.keys(headers).map((name) => [name, headerOf(asked, name)]))).toEqual(headers);
    expect(['x-api-key', 'authorization'].filter((name) => headerOf(asked, name) !== undefined)).toHaveLength(1);
    expect(asked.missingKey()).toBeUndefined();
    expect(asked.mask.text(`wrong: ${Object.values({ ...params, ...env }).find((value) => typeof value === 'string')}`)).toBe('wrong: ***');
  });

  it.each([
    ['bedrock_mantle/us-west-2/anthropic.claude-opus-4-7', undefined, 'https://bedrock-mantle.us-west-2.api.aws/anthropic/v1/messages'],
    [
      'bedrock_mantle/anthropic.claude-opus-4-7',
      'https://bedrock-mantle.eu-west-1.api.aws/v1',
      'https://bedrock-mantle.eu-west-1.api.aws/anthropic/v1/messages',
    ],
    [
      'bedrock_mantle/anthropic.claude-opus-4-7',
      'https://bedrock-mantle.eu-west-1.api.aws/openai/v1',
      'https://bedrock-mantle.eu-west-1.api.aws/anthropic/v1/messages',
    ],
  ])('serves %s at %s on bedrock_mantle', (claude, base, url) => {
    const asked = endpoint({ model: claude, api_base: base }, { AWS_BEARER_TOKEN_BEDROCK: 'bedrock-key' });
    expect(asked.protocol.name).toBe('anthropic');
    expect(asked.origin + asked.pathOf('/messages', 'm')).toBe(url);
    expect(headerOf(asked, 'authorization')).toBe('Bearer bedrock-key');
  });

  it('names both variables when there is no credential, and sends neither to another host', () => {
    expect(endpoint({ model }).missingKey()?.reason).toContain('ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN');
    const asked = endpoint({ model, api_base: 'https://gateway.corp' }, { ANTHROPIC_API_KEY: 'key', ANTHROPIC_AUTH_TOKEN: 'token' });
    expect(asked.keptBack).toEqual(['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN']);
    expect(asked.headers.join()).not.toMatch(/key$|token/);
  });
});

describe('a key', () => {
  it('is optional at an own address, and required at that of another provider', () => {
    for (const model of ['openai/m', 'groq/m', 'm', 'org/m', 'hosted_vllm/m'])
      expect(endpoint({ model, api_base: 'http://127.0.0.1:8000/v1' }).missingKey()).toBeUndefined();
    for (const model of ['ollama/m', 'llamafile/m']) expect(endpoint({ model }).missingKey()).toBeUndefined();
    expect(endpoint({ model: 'openai/m' }, { OPENAI_API_BASE: 'http://127.0.0.1:8000/v1' }).missingKey()).toBeUndefined();
    expect(endpoint({ model: 'bedrock_mantle/m' }).missingKey()?.reason).toContain('AWS_BEARER_TOKEN_BEDROCK');
    const elsewhere = endpoint({ model: 'openai/llama', api_base: 'https://api.groq.com/openai/v1' }, { OPENAI_API_KEY: 'sk-o' });
    expect(elsewhere.missingKey()).toMatchObject({ reason: 'no API key for api.groq.com', remedy: 'set api_key in the deployment' });
    expect(elsewhere.keptBack).toEqual(['OPENAI_API_KEY']);
  });

  it('is read from the first of its variables that is set', () => {
    const both = { HF_TOKEN: 'first', HUGGINGFACE_API_KEY: 'second' };
    expect(headerOf(endpoint({ model: 'huggingface/m' }, both), 'authorization')).toBe('Bearer first');
    expect(headerOf(endpoint({ model: 'huggingface/m' }, { ...both, HF_TOKEN: ' ' }), 'authorization')).toBe('Bearer second');
  });

  const names = fc.constantFrom(...Object.keys(SPOKEN));
  const hosts = fc.constantFrom(
    'https://evil.example/v1',
    'http://127.0.0.1:9000',
    'https://api.openai.com.evil.example/v1',
    'https://evil.example/api.groq.com/openai/v1',
    'https://user@evil.example/v1',
    'https://r.openai.azure.com',
    ...Object.values(SPOKEN).flatMap(({ base, alsoAt = [] }) => (base === undefined ? alsoAt : [base, ...alsoAt])),
  );
  const cases = fc.record({
    name: names,
    base: fc.option(hosts, { nil: undefined }),
    envBase: fc.option(hosts, { nil: undefined }),
    ownKey: fc.boolean(),
    envKey: fc.boolean(),
    bare: fc.constantFrom('prefix', 'custom', 'gpt-4o', 'claude-sonnet-5', 'org/m', 'command-r'),
  });

  it('is sent to its deployment’s address, its provider, or the address in the same environment only', () => {
    fc.assert(
      fc.property(cases, ({ name, base, envBase, ownKey, envKey, bare }) => {
        const env: Record<string, string> = {};
        // Each variable has a key of its own, so that a key says where it is from.
        if (envKey) for (const each of Object.keys(SPOKEN)) for (const variable of keyVariables(each)) env[variable] = `env-${variable}`;
        if (envBase !== undefined) env[baseVariables(name)[0]] = envBase;
        const model = bare === 'prefix' ? `${name}/m` : bare === 'custom' ? 'm' : bare;
        const params = {
          model,
          api_base: base,
          ...(bare === 'custom' && { custom_llm_provider: name }),
          ...(ownKey && { api_key: 'own-key' }),
        };
        let asked: ProviderEndpoint;
        try {
          asked = endpoint(params, env);
        } catch (error) {
          expect(error).toBeInstanceOf(DeploymentFault);
          return;
        }
        const { provider, origin } = asked;
        const sent = [...asked.headers, asked.pathOf('/chat/completions', 'm')].join(' ');
        const ofEnvironment = baseVariables(provider).flatMap((variable) =>
          env[variable] === undefined ? [] : [new URL(env[variable]).origin],
        );
        const { base: own, alsoAt = [], suffixes = [] } = SPOKEN[provider];
        const home = [own, ...alsoAt].flatMap((url) => (url === undefined ? [] : [new URL(url).origin]));
        const isHome = home.includes(origin) || suffixes.some((suffix) => origin.startsWith('https://') && origin.endsWith(suffix));
        if (base !== undefined) expect(origin).toBe(new URL(base).origin);
        else
          expect([
            ...home,
            ...ofEnvironment,
            'https://bedrock-mantle.us-east-1.api.aws',
            'https://bedrock-runtime.us-west-2.amazonaws.com',
          ]).toContain(origin);
        for (const variable of Object.keys(env)) {
          if (!sent.includes(`env-${variable}`)) continue;
          expect(keyVariables(provider)).toContain(variable);
          expect(base === undefined || isHome || ofEnvironment.includes(origin)).toBe(true);
          expect(ownKey).toBe(false);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});
