import { deploymentCheck } from './deployment-check.js';

const check = deploymentCheck({ OPENAI_API_KEY: 'sk-environment', GROQ_API_KEY: 'sk-groq' });
const found = (params: Record<string, unknown>, model = 'openai/gpt-4o'): object | undefined =>
  check({ id: 'a', model, params: { model, ...params } }).uncallable;

describe('deploymentCheck', () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    ['a key that YAML reads as a number', { api_key: 1234 }, /api_key must be a string/],
    ['a key that is an object', { api_key: { value: 'sk-1' } }, /api_key must be a string/],
    ['a tenant that YAML reads as a number', { tenant_id: 1234 }, /tenant_id must be a string/],
    ['an STS address that is an object', { aws_sts_endpoint: {} }, /aws_sts_endpoint must be a string/],
    ['a provider that is a number', { custom_llm_provider: 5 }, /custom_llm_provider must be a string/],
    ['a key under another name', { apiKey: 'sk-1' }, /apiKey is not a LiteLLM parameter/],
    ['a key in capitals', { 'API-KEY': 'sk-1' }, /API-KEY is not a LiteLLM parameter/],
    [
      'an address under another name, beside a key for it',
      { api_key: 'sk-1', apiBase: 'http://mine/v1' },
      /apiBase is not a LiteLLM parameter/,
    ],
    ['an address by a name of other tools', { api_key: 'sk-1', api_url: 'http://mine/v1' }, /api_url is not a LiteLLM parameter/],
    [
      'a credential by name',
      { litellm_credential_name: 'mine' },
      /litellm_credential_name must be the name of an entry in credential_list/,
    ],
    ['a token of an OIDC provider', { api_key: 'oidc/github/x' }, /api_key from this OIDC service/],
  ])('finds %s uncallable, so that no key of the environment is sent in its place', (_, params, reason) => {
    expect(found(params)).toMatchObject({ reason: expect.stringMatching(reason) as string });
    expect(found(params, '*')).toMatchObject({ reason: expect.stringMatching(reason) as string });
    expect(JSON.stringify(found(params))).not.toContain('sk-1');
  });

  it('accepts parameters that are null or empty', () => {
    expect(found({ api_key: null, organization: '', custom_llm_provider: null, litellm_credential_name: null })).toBeUndefined();
  });

  it.each(['content-length', 'Transfer-Encoding', 'keep-alive', 'upgrade', 'Expect'])(
    'rejects the header %s, which belongs to the connection',
    (name) => {
      expect(found({ extra_headers: { [name]: '5' } })).toMatchObject({
        reason: expect.stringContaining('the client sets it for each connection') as string,
      });
    },
  );

  it.each([[{ connection: 'upgrade' }], [{ 'x-team': { a: 1 } }], [{ 'x-team': ['a', 'b'] }]])('rejects the header %j', (extra_headers) => {
    expect(found({ extra_headers })).toMatchObject({ reason: expect.stringContaining('must ') as string });
  });

  it.each(['openai/', 'azure/..', 'azure/.', 'azure/\ud800'])('rejects %j, which names no model', (model) => {
    expect(found({ api_base: 'https://r.openai.azure.com', api_key: 'k' }, model)).toMatchObject({
      reason: expect.stringContaining('must have the form provider/model') as string,
    });
  });

  it('rejects a secret in a header where the request names the provider', () => {
    expect(found({ extra_headers: { 'X-Api-Key': 'sk-1' } }, '*')).toMatchObject({
      reason: expect.stringContaining('any provider') as string,
    });
    expect(found({ extra_headers: { 'x-team': 'a' } }, '*')).toBeUndefined();
    expect(found({ extra_headers: { 'X-Api-Key': 'sk-1' }, custom_llm_provider: 'groq' }, '*')).toBeUndefined();
  });

  it('notes a call without a key only where there is none', () => {
    const note = (params: Record<string, unknown>): string | undefined => check({ id: 'a', model: 'openai/m', params }).note;
    expect(note({ api_base: 'http://h/v1' })).toContain('OPENAI_API_KEY is not sent to h');
    expect(note({ api_base: 'http://u:pass@h/v1' })).toBeUndefined();
    expect(note({ api_base: 'http://h/v1', extra_headers: { authorization: 'Bearer sk-1' } })).toBeUndefined();
  });
});
