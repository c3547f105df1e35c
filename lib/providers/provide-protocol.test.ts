import { deploymentCheck } from './endpoint/deployment-check.js';
import { ProviderEndpoint } from './endpoint/endpoint.js';
import { OPENAI } from './openai/openai.js';
import { provideProtocol } from './provide-protocol.js';
import { ProviderErrors } from './provider-errors.js';
import type { ProvidedProvider } from './provided.js';

const protocol = { ...OPENAI, name: 'acme' };
const check = (params: Readonly<Record<string, unknown>>, env = {}) =>
  deploymentCheck(env)({ id: 'a', model: 'acme/large', params: { model: 'acme/large', ...params } });

describe('provideProtocol', () => {
  it('has deployments of its provider called by the protocol, at its address with its key', () => {
    const remove = provideProtocol('acme', { protocol, base: 'https://api.acme.example/v2', keys: ['ACME_KEY'], keyHeader: 'X-Acme-Key' });
    const endpoint = new ProviderEndpoint({ model: 'acme/large' }, 'a', { ACME_KEY: 'key-of-acme' });
    expect(endpoint.protocol).toBe(protocol);
    expect(endpoint.origin + endpoint.pathOf('/generate', 'large')).toBe('https://api.acme.example/v2/generate');
    expect(endpoint.headers).toEqual(['content-type', 'application/json', 'x-acme-key', 'key-of-acme']);
    expect(new ProviderEndpoint({ model: 'x', custom_llm_provider: 'acme' }, 'a', {}).protocol).toBe(protocol);
    remove();
    expect(check({})).toMatchObject({ uncallable: { reason: 'unknown provider acme in acme/large' } });
  });

  it('has deployments without a key or an address found uncallable, and keeps keys at home', () => {
    const remove = provideProtocol('acme', { protocol, base: 'https://api.acme.example' });
    expect(check({})).toMatchObject({ provider: 'acme', uncallable: { reason: 'no API key: api_key is not set, nor is ACME_API_KEY' } });
    expect(check({}, { ACME_API_KEY: 'k' })).toEqual({ provider: 'acme' });
    const elsewhere = new ProviderEndpoint({ model: 'acme/m', api_base: 'https://evil.example' }, 'a', { ACME_API_KEY: 'k' });
    expect(elsewhere.headers).toEqual(['content-type', 'application/json']);
    remove();
    const again = provideProtocol('acme', { protocol, keyOptional: true });
    expect(check({})).toMatchObject({ uncallable: { reason: 'litellm_params.api_base must be set, because acme has no default address' } });
    expect(check({ api_base: 'http://localhost:1' })).toEqual({ provider: 'acme' });
    again();
  });

  it.each<[string, string, Partial<Record<keyof ProvidedProvider | 'bases_', unknown>>, string]>([
    ['a known name', 'openai', {}, 'name: must not be the name of a known provider'],
    ['a name that is no prefix', 'Acme/', {}, 'name: must begin with a letter'],
    ['no protocol', 'acme', { protocol: undefined }, 'provider.protocol: '],
    ['a count that is none', 'acme', { protocol: { ...protocol, count: 7 } }, 'provider.protocol.count: must be a function'],
    ['half a protocol', 'acme', { protocol: { name: 'acme', call: () => undefined } }, 'provider.protocol.errorIn: must be a function'],
    ['a wrong address', 'acme', { base: 'ftp://acme' }, 'provider.base: must be an http:// or https:// URL'],
    ['wrong variables', 'acme', { keys: [1] }, 'provider.keys[0]: '],
    ['an unknown option', 'acme', { bases_: [] }, 'provider.bases_: is not a known option'],
  ])('refuses %s', (_, name, wrong, message) => {
    expect(() => provideProtocol(name, { protocol, ...wrong } as ProvidedProvider)).toThrow(message);
  });

  it('keeps the status of an error whose body the protocol cannot read', () => {
    const errorIn = (body: string) => ({ message: (JSON.parse(body) as { reason: string }).reason });
    const remove = provideProtocol('acme', { protocol: { ...protocol, errorIn } });
    const errors = new ProviderErrors(new ProviderEndpoint({ model: 'acme/m', api_base: 'http://localhost:1' }, 'a', {}), 'a');
    const head = { rawHeaders: [], requestId: undefined };
    expect(errors.answered(503, '<html>', { ...head, status: 503 })).toMatchObject({ kind: 'server', providerStatus: 503 });
    expect(errors.answered(429, '{"reason":"slow down"}', { ...head, status: 429 })).toMatchObject({
      kind: 'rate_limit',
      message: 'slow down',
    });
    expect(errors.inAnswer('<html>', { ...head, status: 200 })).toMatchObject({ kind: 'server' });
    remove();
  });

  it('refuses a name that is provided already', () => {
    const remove = provideProtocol('acme', { protocol });
    expect(() => provideProtocol('acme', { protocol })).toThrow('name: must not be the name of a known provider');
    remove();
  });
});
