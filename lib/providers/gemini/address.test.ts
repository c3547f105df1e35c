import { ProviderEndpoint } from '../endpoint/endpoint.js';

const endpoint = (api_base?: string, env: Record<string, string> = { GEMINI_API_KEY: 'key-of-it' }): ProviderEndpoint =>
  new ProviderEndpoint({ model: 'gemini/g', api_base }, 'a', env);
const HOME = 'https://generativelanguage.googleapis.com';

describe("the Gemini API's address", () => {
  it.each([
    [undefined, `${HOME}/v1beta/models/g:generateContent`],
    [HOME, `${HOME}/v1beta/models/g:generateContent`],
    [`${HOME}/`, `${HOME}/v1beta/models/g:generateContent`],
    [`${HOME}/v1beta`, `${HOME}/v1beta/models/g:generateContent`],
    [`${HOME}/v1alpha/`, `${HOME}/v1alpha/models/g:generateContent`],
    [`${HOME}/v1beta/models`, `${HOME}/v1beta/models/g:generateContent`],
    [`${HOME}/v1beta/models/gemini-pro:generateContent`, `${HOME}/v1beta/models/g:generateContent`],
    ['http://127.0.0.1:9000/v1', 'http://127.0.0.1:9000/v1/models/g:generateContent'],
    [
      'https://gateway.example/acc/google-ai-studio/v1?tag=a',
      'https://gateway.example/acc/google-ai-studio/v1/models/g:generateContent?tag=a',
    ],
  ])('is, by the api_base %s, %s', (base, url) => {
    const { origin, protocol, pathOf } = endpoint(base);
    expect(protocol.name).toBe('gemini');
    expect(origin + pathOf.call(endpoint(base), '/models/g:generateContent', 'g')).toBe(url);
  });

  it.each([`${HOME}/v1beta/openai`, `${HOME}/v1beta/openai/`, `${HOME}/v1beta/openai/chat/completions`])(
    "keeps OpenAI's protocol at %s",
    (base) => {
      const asked = endpoint(base);
      expect(asked.protocol.name).toBe('openai');
      expect(asked.origin + asked.pathOf('/chat/completions', 'g')).toBe(`${HOME}/v1beta/openai/chat/completions`);
      expect(asked.headers).toContain('Bearer key-of-it');
    },
  );

  it('has the key in a header of its own, never in the URL', () => {
    const asked = endpoint();
    expect(asked.headers[asked.headers.indexOf('x-goog-api-key') + 1]).toBe('key-of-it');
    expect(asked.headers).not.toContain('authorization');
    expect(asked.pathOf('/models/g:streamGenerateContent?alt=sse', 'g')).toBe('/v1beta/models/g:streamGenerateContent?alt=sse');
  });

  it.each([
    'https://evil.example/generativelanguage.googleapis.com',
    'http://generativelanguage.googleapis.com',
    'https://googleapis.com.evil.example',
  ])('gets no key from the environment at %s', (base) => {
    expect(endpoint(base).headers).not.toContain('key-of-it');
    expect(endpoint(base).keptBack).toEqual(['GEMINI_API_KEY']);
  });

  it('prefers GOOGLE_API_KEY', () => {
    expect(endpoint(undefined, { GEMINI_API_KEY: 'second', GOOGLE_API_KEY: 'first' }).headers).toContain('first');
  });

  it('says which variables are missing', () => {
    expect(endpoint(undefined, {}).missingKey()?.reason).toContain('GOOGLE_API_KEY, GEMINI_API_KEY');
  });
});
