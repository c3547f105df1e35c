import { inspect } from 'node:util';
import { InvalidConfigurationError } from '../../common/errors.js';
import { ProviderEndpoint, type EndpointParams } from './endpoint.js';
import { upstreamModel } from './resolution.js';

const endpoint = (params: Partial<EndpointParams>, env: Record<string, string> = {}): ProviderEndpoint =>
  new ProviderEndpoint({ model: 'openai/gpt-4o', ...params }, 'a', env);
const headersOf = ({ headers }: ProviderEndpoint): Record<string, string> =>
  Object.fromEntries(headers.flatMap((value, i) => (i % 2 === 0 ? [[value, headers[i + 1]]] : [])));

describe('ProviderEndpoint', () => {
  it.each<[string, Partial<EndpointParams>, string]>([
    ['OpenAI', {}, 'https://api.openai.com/v1/chat/completions'],
    ['a base', { api_base: 'http://127.0.0.1:9000/v1/' }, 'http://127.0.0.1:9000/v1/chat/completions'],
    ['a base without a path', { api_base: 'http://127.0.0.1:9000' }, 'http://127.0.0.1:9000/chat/completions'],
    ['base_url', { base_url: 'http://h/x' }, 'http://h/x/chat/completions'],
    ['an empty base', { api_base: '', base_url: '' }, 'https://api.openai.com/v1/chat/completions'],
    ['Groq', { model: 'groq/llama-3' }, 'https://api.groq.com/openai/v1/chat/completions'],
    ['Ollama as LiteLLM has it', { model: 'ollama/llama3', api_base: 'http://o:11434' }, 'http://o:11434/v1/chat/completions'],
    ['a provider by its own field', { model: 'x', custom_llm_provider: 'mistral' }, 'https://api.mistral.ai/v1/chat/completions'],
    [
      'Azure',
      { model: 'azure/my deployment', api_base: 'https://r.openai.azure.com/', api_version: '2025-01-01' },
      'https://r.openai.azure.com/openai/deployments/my%20deployment/chat/completions?api-version=2025-01-01',
    ],
    [
      'Azure, without a version',
      { model: 'azure/d', api_base: 'https://r.openai.azure.com' },
      'https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21',
    ],
    [
      'Azure, as its pages show it',
      { model: 'azure/d', api_base: 'https://r/openai/deployments/e/chat/completions?api-version=2025-01-01-preview' },
      'https://r/openai/deployments/e/chat/completions?api-version=2025-01-01-preview',
    ],
    ["Azure's newer address", { model: 'azure/d', api_base: 'https://r/openai/v1' }, 'https://r/openai/v1/chat/completions'],
    [
      "Azure's newer address, by its version",
      { model: 'azure/d', api_base: 'https://r', api_version: 'preview' },
      'https://r/openai/v1/chat/completions',
    ],
    [
      "Azure's models of others",
      { model: 'azure_ai/phi', api_base: 'https://r.services.ai.azure.com' },
      'https://r.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview',
    ],
    [
      "Azure's models of others, by the whole address",
      { model: 'azure_ai/phi', api_base: 'https://r.services.ai.azure.com/models/chat/completions?api-version=2025-05-01' },
      'https://r.services.ai.azure.com/models/chat/completions?api-version=2025-05-01',
    ],
    ['a base that asks for more', { api_base: 'https://h/v1/?team=a%20b' }, 'https://h/v1/chat/completions?team=a%20b'],
    ['a base with what is asked there', { api_base: 'https://h/v1/chat/completions' }, 'https://h/v1/chat/completions'],
  ])('resolves the address of %s', (_, params, url) => {
    const { origin } = endpoint(params);
    expect(origin + endpoint(params).pathOf('/chat/completions', upstreamModel(params.model ?? 'gpt-4o'))).toBe(url);
  });

  it('requires an address for a provider without a default one, so that its key goes nowhere else', () => {
    expect(() => endpoint({ model: 'sagemaker/claude', api_key: 'sk-aws' })).toThrow(
      'litellm_params.model: the protocol of sagemaker is not supported yet',
    );
    expect(() => endpoint({ model: 'hosted_vllm/llama', api_key: 'sk-vllm' })).toThrow('litellm_params.api_base: must be set');
    expect(endpoint({ model: 'meta-llama/Llama-3', api_base: 'http://127.0.0.1:8000/v1' })).toMatchObject({
      provider: 'openai',
      origin: 'http://127.0.0.1:8000',
    });
  });

  it('sends the key and the configured headers', () => {
    const more = { default_headers: { b: 'a', d: 'e' }, headers: { 'X-A': 1 }, extra_headers: { b: 'c' } };
    const params = { api_key: 'sk-1', organization: 'org', ...more };
    expect(headersOf(endpoint(params))).toEqual({
      'content-type': 'application/json',
      authorization: 'Bearer sk-1',
      'openai-organization': 'org',
      'x-a': '1',
      b: 'c',
      d: 'e',
    });
    expect(headersOf(endpoint({ model: 'azure/d', api_base: 'https://r', api_key: 'k' }))).toMatchObject({ 'api-key': 'k' });
    const token = headersOf(endpoint({ model: 'azure/d', api_base: 'https://r', azure_ad_token: 't' }));
    expect([token.authorization, token['api-key']]).toEqual(['Bearer t', undefined]);
    const models = { model: 'azure_ai/phi', api_base: 'https://r.services.ai.azure.com', api_key: 'k' };
    expect(headersOf(endpoint(models))).toMatchObject({ 'api-key': 'k' });
    expect(headersOf(endpoint({ ...models, api_base: 'https://r.models.ai.azure.com' }))).toMatchObject({ authorization: 'Bearer k' });
    expect(headersOf(endpoint({ api_base: 'http://u%40:p%3A@h/v1' }))).toMatchObject({ authorization: `Basic ${btoa('u@:p:')}` });
    expect(headersOf(endpoint({ api_base: 'http://u:100%@h/v1' }))).toMatchObject({ authorization: `Basic ${btoa('u:100%')}` });
  });

  it('sends each header once with its last value, and a key without a newline', () => {
    const { headers } = endpoint({
      api_key: ' sk-1\n',
      extra_headers: { Authorization: 'Custom x', 'Content-Type': 'text/json', none: null },
    });
    expect(headers).toEqual(['content-type', 'text/json', 'authorization', 'Custom x']);
    expect(headersOf(endpoint({ api_key: 'sk-1\n' })).authorization).toBe('Bearer sk-1');
  });

  it.each<[string, Partial<EndpointParams>]>([
    ['api_key', { api_key: 'sk-secret\nsk-other' }],
    ['extra_headers.x', { extra_headers: { x: 'sk-secret\r\n' } }],
    ['headers.a b', { headers: { 'a b': 'sk-secret' } }],
  ])('rejects a %s that is no valid header value, without showing it', (path, params) => {
    const attempt = (): ProviderEndpoint => endpoint(params);
    expect(attempt).toThrow(`deployment a: litellm_params.${path}: must be a valid header value`);
    expect(attempt).toThrow(expect.objectContaining({ message: expect.not.stringContaining('secret') as string }));
  });

  it('reads the key of a well-known provider from the environment, for its own address only', () => {
    const env = { OPENAI_API_KEY: 'sk-env', GROQ_API_KEY: 'gsk' };
    expect(headersOf(endpoint({}, env)).authorization).toBe('Bearer sk-env');
    expect(headersOf(endpoint({ model: 'groq/x' }, env)).authorization).toBe('Bearer gsk');
    expect(headersOf(endpoint({ model: 'perplexity/sonar' }, { PERPLEXITYAI_API_KEY: 'pplx' })).authorization).toBe('Bearer pplx');
    expect(headersOf(endpoint({}, { OPENAI_API_KEY: '' })).authorization).toBeUndefined();
    expect(headersOf(endpoint({ api_base: 'http://elsewhere' }, env)).authorization).toBeUndefined();
  });

  it('reads the address from the environment where the deployment has none', () => {
    const env = { OPENAI_API_KEY: 'sk-gateway', OPENAI_BASE_URL: 'http://gateway/v1', OPENAI_API_BASE: 'http://older/v1' };
    const inside = endpoint({}, env);
    expect([inside.origin, headersOf(inside).authorization]).toEqual(['http://gateway', 'Bearer sk-gateway']);
    expect(endpoint({}, { ...env, OPENAI_BASE_URL: '' }).origin).toBe('http://older');
    expect(endpoint({ api_base: 'http://own' }, env).origin).toBe('http://own');
    expect(endpoint({ model: 'groq/x' }, env).origin).toBe('https://api.groq.com');
    expect(endpoint({ model: 'perplexity/x' }, { PERPLEXITYAI_API_BASE: 'http://p' }).origin).toBe('http://p');
    const azure = { AZURE_API_BASE: 'https://r.openai.azure.com', AZURE_API_KEY: 'az', AZURE_API_VERSION: '2025-01-01' };
    const deployed = endpoint({ model: 'azure/d' }, azure);
    expect(headersOf(deployed)).toMatchObject({ 'api-key': 'az' });
    expect(deployed.pathOf('/chat/completions', 'd')).toBe('/openai/deployments/d/chat/completions?api-version=2025-01-01');
    expect(() => endpoint({}, { OPENAI_BASE_URL: 'gateway' })).toThrow('must be an http:// or https:// URL');
  });

  it('redacts its secrets', () => {
    expect(endpoint({ api_key: 'sk-secret' }).mask.text('wrong key sk-secret, sk-secret!')).toBe('wrong key ***, ***!');
    expect(endpoint({ api_base: 'http://u:pass-word@h' }).mask.text('pass-word')).toBe('***');
    expect(endpoint({ api_base: 'http://sk-a%2Bb@h' }).mask.text('sk-a+b, sk-a%2Bb, c2stYStiOg==')).toBe('***, ***, ***');
    expect(endpoint({ api_base: 'http://person:pass-word@h' }).mask.text('person')).toBe('person');
    const inQuery = 'https://h/v1?subscription-key=q-secret&api-version=2024-10-21';
    expect(endpoint({ api_base: inQuery }).mask.text('q-secret of 2024-10-21')).toBe('*** of 2024-10-21');
    const more = { 'X-Gateway-Api-Key': 'gw-secret', Authorization: 'Bearer other', 'x-max-tokens': '4096' };
    expect(endpoint({ api_key: 'sk-secret', extra_headers: more }).mask.text('gw-secret, other, 4096')).toBe('***, ***, 4096');
  });

  it.each<[string, Partial<EndpointParams>]>([
    ['none', { model: 'azure/d' }],
    ['no URL', { api_base: 'secret-host' }],
    ['another protocol', { api_base: 'ftp://secret-host' }],
    ['no text', { api_base: 7 }],
  ])('rejects an address that is %s, without showing it', (_, params) => {
    const attempt = (): ProviderEndpoint => endpoint(params);
    expect(attempt).toThrow(InvalidConfigurationError);
    expect(attempt).toThrow(/^deployment a: litellm_params.api_base: must be/);
    try {
      attempt();
    } catch (error) {
      expect(inspect(error)).not.toContain('secret-host');
    }
  });
});

it.each([
  ['openai/gpt-4o', 'gpt-4o'],
  ['openrouter/meta-llama/llama-3', 'meta-llama/llama-3'],
  ['meta-llama/Llama-3', 'meta-llama/Llama-3'],
  ['gpt-4o', 'gpt-4o'],
])('upstreamModel reads %s as %s', (model, name) => expect(upstreamModel(model)).toBe(name));
