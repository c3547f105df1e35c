import { ProviderEndpoint, type EndpointParams } from './endpoint.js';

const AT = { model: 'databricks/m', api_base: 'https://adb-1.azuredatabricks.net/serving-endpoints' };
const request = { origin: 'https://adb-1.azuredatabricks.net', path: '/', headers: [], body: '' };
const client = (name: string) => ({ DATABRICKS_CLIENT_ID: name, DATABRICKS_CLIENT_SECRET: 'secret-of-it', DATABRICKS_API_KEY: 'key' });
const endpoint = (params: Partial<EndpointParams>, env = {}) => new ProviderEndpoint({ ...AT, ...params }, 'd', env);
const headersOf = async ({ authorization }: ProviderEndpoint) => authorization?.headersFor(request);

let asked: { readonly url: string; readonly init: RequestInit }[];
let answer: () => Response;
beforeEach(() => {
  asked = [];
  answer = () => Response.json({ access_token: `token-${asked.length}`, expires_in: 3600 });
  jest.spyOn(globalThis, 'fetch').mockImplementation((url, init) => {
    asked.push({ url: url as string, init: init as RequestInit });
    return Promise.resolve(answer());
  });
});
afterEach(() => jest.restoreAllMocks());

describe('a service principal of Databricks', () => {
  it('gets one token for all requests, from its workspace', async () => {
    const own = endpoint({}, client('one'));
    expect(own.headers).toEqual(['content-type', 'application/json']);
    expect(await Promise.all([headersOf(own), headersOf(endpoint({}, client('one')))])).toEqual(
      Array(2).fill(['authorization', 'Bearer token-1']),
    );
    expect(own.authorization?.headersFor(request)).toEqual(['authorization', 'Bearer token-1']);
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({
      url: 'https://adb-1.azuredatabricks.net/oidc/v1/token',
      init: { method: 'POST', body: 'grant_type=client_credentials&scope=all-apis', redirect: 'error' },
    });
    expect(new Headers(asked[0].init.headers).get('authorization')).toBe(`Basic ${Buffer.from('one:secret-of-it').toString('base64')}`);
    expect(own.mask.text('token-1 of secret-of-it')).toBe('*** of ***');
  });

  it('is left out for a key of the deployment, and for other hosts', () => {
    expect(endpoint({ api_key: 'own' }, client('two')).authorization).toBeUndefined();
    expect(endpoint({ api_base: 'https://adb-1.azuredatabricks.net.evil.example' }, client('two')).authorization).toBeUndefined();
    expect(endpoint({}, { DATABRICKS_API_KEY: 'key' }).headers).toContain('Bearer key');
  });

  it.each<[string, () => Response, string]>([
    [
      'wrong credentials',
      () => new Response('secret-of-it', { status: 401 }),
      'Databricks did not issue a token (status 401); correct DATABRICKS_CLIENT_ID',
    ],
    ['an outage', () => new Response('', { status: 503 }), 'Databricks answered the token request with 503'],
    ['an answer without a token', () => Response.json({}), 'the response from Databricks has no token'],
  ])('states %s', async (_, answered, message) => {
    answer = answered;
    const failed = headersOf(endpoint({}, client(`failing: ${message}`)));
    await expect(failed).rejects.toThrow(message);
    await expect(failed).rejects.not.toThrow('secret-of-it');
  });
});
