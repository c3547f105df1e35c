import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deployment, routerEngines, routerOn } from '../../../test/support/router-engines.js';
import { FastLiteLLM } from '../../fast-litellm.js';
import { ProviderEndpoints } from './endpoints.js';

let mockIsInstalled = true;
jest.mock('../../common/optional-package.js', () => ({
  ...jest.requireActual<object>('../../common/optional-package.js'),
  isInstalled: () => mockIsInstalled,
}));
afterEach(() => (mockIsInstalled = true));

const [engine] = routerEngines();
const KEYS = {
  OPENAI_API_KEY: 'sk-o',
  GROQ_API_KEY: 'gsk',
  ANTHROPIC_API_KEY: 'sk-ant',
  VERTEXAI_PROJECT: 'p',
  VERTEXAI_CREDENTIALS: '{"type":"authorized_user"}',
};

describe('ProviderEndpoints', () => {
  const entry = (params: Record<string, unknown>) => deployment('any', { api_key: undefined, model: '*', ...params }, '*');
  const originOf = (params: Record<string, unknown>, ...names: string[]): string[] => {
    const { router } = routerOn(engine, { modelList: [entry(params)] });
    const endpoints = new ProviderEndpoints(KEYS);
    return names.map((name) => {
      const { deployment: chosen, model } = router.acquire(name);
      return endpoints.of(chosen, model).endpoint.origin;
    });
  };

  it('calls the provider that a request names, for a deployment of any provider', () => {
    const names = ['gpt-4o', 'groq/llama', 'anthropic/claude', 'openai/gpt-4o', 'groq/other'];
    expect(originOf({}, ...names)).toEqual([
      'https://api.openai.com',
      'https://api.groq.com',
      'https://api.anthropic.com',
      'https://api.openai.com',
      'https://api.groq.com',
    ]);
    expect(originOf({ api_base: '' }, 'groq/llama')).toEqual(['https://api.groq.com']);
  });

  it.each([
    ['bedrock/claude', 'the environment has no key or address for bedrock'],
    ['mistral/large', 'the environment has no key or address for mistral'],
    ['ollama/llama3', 'the environment has no key or address for ollama'],
    ['azure/gpt-4o', 'azure has no model of that name, or the environment has no address or project for it'],
    ['bedrock/invoke/x', 'the route invoke/ of bedrock is not supported'],
    ['nothing', 'the model nothing has no provider prefix; add the prefix of its provider'],
    ['sagemaker/x', 'the protocol of sagemaker is not supported yet'],
    ['vertex_ai/gemini-2.5-pro', 'Vertex AI requires google-auth-library, which is not installed'],
  ])('says for a deployment of any provider why %s cannot be called', (name, reason) => {
    mockIsInstalled = false;
    expect(() => originOf({}, name)).toThrow(`model: must be a model of this server, or of a provider that is configured here (${reason}`);
  });

  it('goes by the region and the protocol of each name, whichever is called first', () => {
    const { router } = routerOn(engine, { modelList: [entry({})] });
    const endpoints = new ProviderEndpoints({ AWS_BEARER_TOKEN_BEDROCK: 'k', AWS_REGION: 'us-east-1' });
    const at = (name: string): readonly string[] => {
      const { deployment: chosen, model } = router.acquire(name);
      const { origin, protocol } = endpoints.of(chosen, model).endpoint;
      return [origin, protocol.name];
    };
    expect(at('bedrock/eu-west-1/amazon.nova-pro-v1:0')).toEqual(['https://bedrock-runtime.eu-west-1.amazonaws.com', 'bedrock']);
    expect(at('bedrock/amazon.nova-pro-v1:0')).toEqual(['https://bedrock-runtime.us-east-1.amazonaws.com', 'bedrock']);
    const claude = at('bedrock_mantle/anthropic.claude-opus-4-7');
    const other = at('bedrock_mantle/us-west-2/openai.gpt-oss-120b');
    expect([claude[1], other]).toEqual(['anthropic', ['https://bedrock-mantle.us-west-2.api.aws', 'openai']]);
    expect(at('bedrock_mantle/openai.gpt-oss-120b')).toEqual([claude[0], 'openai']);
  });

  it('calls no other provider where the deployment has an address, a key or a provider', () => {
    expect(originOf({ api_base: 'http://h/v1' }, 'groq/llama')).toEqual(['http://h']);
    expect(originOf({ api_key: 'sk-1' }, 'groq/llama')).toEqual(['https://api.openai.com']);
    expect(originOf({ custom_llm_provider: 'mistral' }, 'groq/llama')).toEqual(['https://api.mistral.ai']);
    expect(originOf({ model: 'xai/*' }, 'groq/llama')).toEqual(['https://api.x.ai']);
  });

  it('reads keys from the environment, then from the variables of the configuration', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'endpoints-'));
    const configPath = join(folder, 'config.json');
    const entries = ['groq', 'xai'].map((model_name) => ({ model_name, litellm_params: { model: `${model_name}/m` } }));
    const variables = { GROQ_API_KEY: 'gsk-file', XAI_API_KEY: 'xai-file' };
    writeFileSync(configPath, JSON.stringify({ model_list: entries, environment_variables: variables }));
    const logger = { log: () => {}, warn: () => {}, error: () => {} };
    const router = { configPath, numRetries: 0 };
    const llm = new FastLiteLLM({ router, logger }, { env: { XAI_API_KEY: 'xai-outside' } });
    const asked: unknown[] = [];
    jest.spyOn(llm.connectionPool.dispatcher, 'dispatch').mockImplementation(({ origin, headers }) => {
      asked.push([origin, (headers as string[]).at(-1)]);
      throw new Error('asked enough');
    });
    for (const model of ['groq', 'xai']) await expect(llm.client.chat({ model, messages: [] })).rejects.toThrow('asked enough');
    expect(asked).toEqual([
      ['https://api.groq.com', 'Bearer gsk-file'],
      ['https://api.x.ai', 'Bearer xai-outside'],
    ]);
    // Prices are opened behind the first call.
    await new Promise((resolve) => setImmediate(resolve));
    await llm.close();
    rmSync(folder, { recursive: true });
  });

  it('resolves each endpoint once', () => {
    const { router } = routerOn(engine, { modelList: [entry({}), deployment('a')] });
    const endpoints = new ProviderEndpoints(KEYS);
    const [any, a] = router.deployments();
    expect(endpoints.of(any, 'groq/x')).toBe(endpoints.of(any, 'groq/y'));
    expect(endpoints.of(a, 'x')).toBe(endpoints.of(a, 'y'));
  });
});
