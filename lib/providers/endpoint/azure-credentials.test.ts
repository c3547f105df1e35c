import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { ProviderEndpoint, type EndpointParams } from './endpoint.js';

interface Asked {
  readonly kind: string;
  readonly args: readonly unknown[];
  readonly scopes: string[];
}
const mockAsked: Asked[] = [];
let mockAnswer: () => Promise<unknown>;

jest.mock('@azure/identity', () => {
  const kinds = 'ClientSecretCredential ClientAssertionCredential DefaultAzureCredential ManagedIdentityCredential'.split(' ');
  return Object.fromEntries(
    kinds.map((kind) => [
      kind,
      class {
        private readonly asked: Asked;

        constructor(...args: unknown[]) {
          this.asked = { kind, args, scopes: [] };
          mockAsked.push(this.asked);
        }

        getToken(scope: string): Promise<unknown> {
          this.asked.scopes.push(scope);
          return mockAnswer();
        }
      },
    ]),
  );
});

const MINUTE = 60_000;
const OWN = { tenant_id: 't', client_id: 'c', client_secret: 'own-secret' };
const ENV = { AZURE_TENANT_ID: 'et', AZURE_CLIENT_ID: 'ec', AZURE_CLIENT_SECRET: 'env-secret' };
const AT_AZURE = { model: 'azure/gpt-4o', api_base: 'https://mine.openai.azure.com' };
const request = { origin: 'https://mine.openai.azure.com', path: '/', headers: [], body: '' };

const endpoint = (params: Partial<EndpointParams> & Readonly<Record<string, unknown>>, env: Readonly<Record<string, string>> = {}) =>
  new ProviderEndpoint({ ...AT_AZURE, ...params }, 'd', env);
const headersOf = async ({ authorization }: ProviderEndpoint) => authorization?.headersFor(request);

let now = 1_000_000;
let count = 0;
beforeEach(() => {
  mockAsked.length = 0;
  now += 24 * 60 * MINUTE;
  count = 0;
  mockAnswer = () => Promise.resolve({ token: `token-${++count}`, expiresOnTimestamp: now + 60 * MINUTE });
  jest.spyOn(Date, 'now').mockImplementation(() => now);
});
afterEach(() => jest.restoreAllMocks());

describe('tokens of Microsoft Entra ID', () => {
  it.each<[string, Readonly<Record<string, unknown>>, Readonly<Record<string, string>>, string, readonly unknown[]]>([
    ["by the deployment's secret", { ...OWN, azure_scope: 's1' }, {}, 'ClientSecretCredential', ['t', 'c', 'own-secret', {}]],
    ["by the environment's secret", { azure_scope: 's2' }, ENV, 'ClientSecretCredential', ['et', 'ec', 'env-secret', {}]],
    [
      "by the deployment's secret before the environment's key",
      { ...OWN, azure_scope: 's3' },
      { ...ENV, AZURE_API_KEY: 'k' },
      'ClientSecretCredential',
      ['t', 'c', 'own-secret', {}],
    ],
    [
      'at another authority',
      { ...OWN, azure_scope: 's4' },
      { AZURE_AUTHORITY_HOST: 'https://login.microsoftonline.us' },
      'ClientSecretCredential',
      ['t', 'c', 'own-secret', { authorityHost: 'https://login.microsoftonline.us' }],
    ],
    ['by what the library finds', { azure_scope: 's5' }, { AZURE_CREDENTIAL: 'DefaultAzureCredential' }, 'DefaultAzureCredential', [{}]],
    [
      'by a managed identity',
      { azure_scope: 's6' },
      { AZURE_CREDENTIAL: 'ManagedIdentityCredential', AZURE_CLIENT_ID: 'm' },
      'ManagedIdentityCredential',
      [{ clientId: 'm' }],
    ],
  ])('are asked for %s', async (_, params, env, kind, args) => {
    expect(await headersOf(endpoint(params, env))).toEqual(['authorization', 'Bearer token-1']);
    expect(mockAsked).toEqual([{ kind, args, scopes: [params.azure_scope] }]);
  });

  it('are asked for the scope of AZURE_SCOPE, else of cognitive services', async () => {
    await headersOf(endpoint({ ...OWN, client_id: 'scopes' }));
    await headersOf(endpoint({ ...OWN, client_id: 'scopes' }, { AZURE_SCOPE: 'https://ai.azure.com/.default' }));
    expect(mockAsked.map(({ scopes }) => scopes)).toEqual([
      ['https://cognitiveservices.azure.com/.default'],
      ['https://ai.azure.com/.default'],
    ]);
  });

  it('are one for all deployments of an identity, and for all that wait', async () => {
    const [a, b, other] = [endpoint(OWN), endpoint(OWN), endpoint({ ...OWN, client_secret: 'another-secret' })];
    expect(await Promise.all([headersOf(a), headersOf(b), headersOf(a)])).toEqual(Array(3).fill(['authorization', 'Bearer token-1']));
    expect(await headersOf(other)).toEqual(['authorization', 'Bearer token-2']);
    expect(mockAsked).toHaveLength(2);
  });

  it('are renewed early, while requests go on with the old one', async () => {
    const own = endpoint({ ...OWN, client_id: 'early' });
    await headersOf(own);
    now += 56 * MINUTE;
    expect(own.authorization?.headersFor(request)).toEqual(['authorization', 'Bearer token-1']);
    await new Promise((resolve) => setImmediate(resolve));
    expect(own.authorization?.headersFor(request)).toEqual(['authorization', 'Bearer token-2']);
  });

  it('hold while Entra is down, and are fetched again when they have expired', async () => {
    const own = endpoint({ ...OWN, client_id: 'down' });
    await headersOf(own);
    mockAnswer = () => Promise.reject(Object.assign(new Error('no route'), { code: 'ECONNREFUSED' }));
    now += 56 * MINUTE;
    expect(await headersOf(own)).toEqual(['authorization', 'Bearer token-1']);
    now += 5 * MINUTE;
    await expect(headersOf(own)).rejects.toThrow('no route');
    mockAnswer = () => Promise.resolve({ token: 'back', expiresOnTimestamp: now + MINUTE });
    expect(await headersOf(own)).toEqual(['authorization', 'Bearer back']);
  });

  it('are asked for by a new credential when the provider refused one, once for all', async () => {
    const own = endpoint({ ...OWN, client_id: 'refused' });
    await headersOf(own);
    now += MINUTE;
    expect(own.authorization?.renew()).toBe(true);
    const renewed = headersOf(own);
    own.authorization?.renew();
    expect(await Promise.all([renewed, headersOf(own)])).toEqual(Array(2).fill(['authorization', 'Bearer token-2']));
    own.authorization?.renew();
    expect(await headersOf(own)).toEqual(['authorization', 'Bearer token-2']);
    expect(mockAsked).toHaveLength(2);
  });

  it('name the setting that the operator must correct, without the secret', async () => {
    mockAnswer = () =>
      Promise.reject(
        Object.assign(new Error('own-secret is wrong'), {
          name: 'AuthenticationError',
          statusCode: 401,
          errorResponse: { error: 'invalid_client' },
        }),
      );
    const failed = headersOf(endpoint({ ...OWN, client_id: 'wrong' }));
    await expect(failed).rejects.toThrow(
      'litellm_params.client_secret: Microsoft Entra ID did not issue a token (invalid_client); correct tenant_id',
    );
    const error = await failed.catch((thrown: unknown) => thrown);
    expect(inspect(error)).not.toContain('own-secret');
  });

  it('exchange a federated token of a variable or a file, read each time', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'federated-'));
    const file = join(folder, 'token');
    writeFileSync(file, 'of-file\n');
    const assertion = async (params: Readonly<Record<string, unknown>>, env: Readonly<Record<string, string>>) => {
      await headersOf(endpoint(params, { AZURE_TENANT_ID: 'et', AZURE_CLIENT_ID: 'ec', ...env }));
      const { kind, args } = mockAsked.at(-1) as Asked;
      expect([kind, ...args.slice(0, 2)]).toEqual(['ClientAssertionCredential', 'et', 'ec']);
      return (args[2] as () => Promise<string>)();
    };
    expect(await assertion({ azure_ad_token: 'oidc/env/FEDERATED' }, { FEDERATED: 'of-env' })).toBe('of-env');
    expect(await assertion({ azure_ad_token: `oidc/file/${file}` }, {})).toBe('of-file');
    expect(await assertion({ azure_ad_token: 'oidc/env_path/FEDERATED_FILE' }, { FEDERATED_FILE: file })).toBe('of-file');
    rmSync(folder, { recursive: true });
  });

  it("do not go to a host that is not Azure's by the environment's identity", () => {
    const elsewhere = { api_base: 'https://mine.openai.azure.com.evil.example' };
    expect(endpoint(elsewhere, { ...ENV, AZURE_CREDENTIAL: 'DefaultAzureCredential' }).authorization).toBeUndefined();
    expect(endpoint({ ...elsewhere, tenant_id: 't', client_id: 'c', client_secret: 's' }, ENV).authorization).toBeDefined();
    expect(() => endpoint({ ...elsewhere, tenant_id: 't', client_id: 'c' }, ENV)).toThrow(
      'litellm_params.client_secret: must be set together with',
    );
  });

  it('are left out where there is a key or a token', () => {
    for (const params of [{ api_key: 'k' }, { azure_ad_token: 't' }, { extra_headers: { authorization: 'Bearer x' } }])
      expect(endpoint({ ...OWN, ...params }).authorization).toBeUndefined();
    expect(endpoint({}, { ...ENV, AZURE_API_KEY: 'k' }).authorization).toBeUndefined();
  });

  it('are kept out of messages', async () => {
    const own = endpoint({ ...OWN, client_id: 'redacted' });
    await headersOf(own);
    expect(own.mask.text('token-1 by own-secret')).toBe('*** by ***');
  });
});
