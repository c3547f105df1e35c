import type { UnsignedRequest } from '../endpoint/authorization.js';
import { AwsAuthorization, hasAwsCredentials, type AwsAccess } from './credentials.js';

const mocked = {
  fromIni: jest.fn(),
  fromTemporaryCredentials: jest.fn(),
  fromWebToken: jest.fn(),
  fromTokenFile: jest.fn(),
  fromNodeProviderChain: jest.fn(),
};
jest.mock('@aws-sdk/credential-providers', () => mocked);
const absent = new Set<string>();
jest.mock('../../common/optional-package.js', () => ({
  ...jest.requireActual<object>('../../common/optional-package.js'),
  isInstalled: (resolve: () => string) => ![...absent].some((name) => resolve().includes(name)),
}));

const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const request: UnsignedRequest = {
  origin: 'https://bedrock-runtime.us-east-1.amazonaws.com',
  path: '/model/m/converse',
  headers: [],
  body: '{}',
};
const access = (params: object = {}, more: Partial<AwsAccess> = {}): AwsAccess => ({
  params: params as Record<string, unknown>,
  env: {},
  region: 'us-east-1',
  deploymentId: 'd',
  takesEnvironment: true,
  ...more,
});
const keys = { aws_access_key_id: 'AKIA', aws_secret_access_key: 'secret' };

/** Credentials that hold for an hour, numbered. */
function source(clock: { now: number }): jest.Mock<Promise<object>, [{ forceRefresh?: boolean }?]> {
  let count = 0;
  return jest.fn(() =>
    Promise.resolve({
      accessKeyId: `KEY${++count}`,
      secretAccessKey: 's',
      sessionToken: `t${count}`,
      expiration: new Date(clock.now + 60 * MINUTE),
    }),
  );
}
const keyIn = (headers: readonly string[]): string | undefined => /Credential=(\w+)/.exec(headers[1])?.[1];

beforeEach(() => {
  for (const mock of Object.values(mocked)) mock.mockReset();
});

describe('AwsAuthorization', () => {
  it('signs with the keys of the deployment, and has no others', async () => {
    const authorization = new AwsAuthorization(access({ ...keys, aws_session_token: 'token' }), () => START);
    const headers = await authorization.headersFor(request);
    expect(headers.slice(2)).toEqual(['x-amz-date', '20260101T000000Z', 'x-amz-security-token', 'token']);
    expect([keyIn(headers), authorization.renew(), authorization.missing()]).toEqual(['AKIA', false, undefined]);
    expect(authorization.secrets).toEqual(['secret', 'token']);
  });

  it('signs with keys of the environment if the address may receive them', async () => {
    const env = { AWS_ACCESS_KEY_ID: 'ENV', AWS_SECRET_ACCESS_KEY: 's\n' };
    expect(keyIn(await new AwsAuthorization(access({}, { env })).headersFor(request))).toBe('ENV');
    expect(keyIn(await new AwsAuthorization(access(keys, { env })).headersFor(request))).toBe('AKIA');
  });

  it.each<[string, object, Partial<AwsAccess>, keyof typeof mocked, object]>([
    ['a profile', { aws_profile_name: 'dev' }, {}, 'fromIni', { profile: 'dev' }],
    [
      'a role',
      { aws_role_name: 'arn:aws:iam::1:role/r', aws_session_name: 'mine', aws_external_id: 'x', ...keys, aws_sts_endpoint: 'https://sts' },
      {},
      'fromTemporaryCredentials',
      {
        masterCredentials: { accessKeyId: 'AKIA', secretAccessKey: 'secret' },
        params: { RoleArn: 'arn:aws:iam::1:role/r', RoleSessionName: 'mine', ExternalId: 'x' },
        clientConfig: { region: 'us-east-1', endpoint: 'https://sts' },
      },
    ],
    ['a token', { aws_role_name: 'r', aws_web_identity_token: 'ey.J' }, {}, 'fromWebToken', { roleArn: 'r', webIdentityToken: 'ey.J' }],
    [
      'a token in a variable',
      { aws_role_name: 'r', aws_web_identity_token: 'oidc/env/T' },
      { env: { T: 'ey' } },
      'fromWebToken',
      { webIdentityToken: 'ey' },
    ],
    [
      'a token in a file',
      { aws_role_name: 'r', aws_web_identity_token: 'oidc/file//var/t' },
      {},
      'fromTokenFile',
      { webIdentityTokenFile: '/var/t' },
    ],
    ['nothing', {}, { env: { AWS_PROFILE: 'p' } }, 'fromNodeProviderChain', { profile: 'p' }],
  ])('gets credentials by %s, once for requests that come together', async (_, params, more, name, options) => {
    const clock = { now: START };
    const provider = source(clock);
    mocked[name].mockReturnValue(provider);
    const authorization = new AwsAuthorization(access(params, more), () => clock.now);
    const all = await Promise.all([1, 2, 3].map(async () => authorization.headersFor(request)));
    expect(all.map(keyIn)).toEqual(['KEY1', 'KEY1', 'KEY1']);
    expect(mocked[name]).toHaveBeenCalledWith(expect.objectContaining(options));
    expect(provider).toHaveBeenCalledTimes(1);
    expect(authorization.secrets).toEqual(['s', 't1']);
  });

  it('renews credentials before they expire, and those that were refused, once', async () => {
    const clock = { now: START };
    const provider = source(clock);
    mocked.fromNodeProviderChain.mockReturnValue(provider);
    const authorization = new AwsAuthorization(access(), () => clock.now);
    const key = async (): Promise<string | undefined> => keyIn(await authorization.headersFor(request));
    expect(await key()).toBe('KEY1');
    clock.now += 54 * MINUTE;
    expect(await key()).toBe('KEY1');
    clock.now += 2 * MINUTE;
    expect(await key()).toBe('KEY2');
    clock.now += MINUTE;
    expect([authorization.renew(), await key(), authorization.renew(), await key()]).toEqual([true, 'KEY3', true, 'KEY3']);
    expect(provider.mock.calls.map(([options]) => options?.forceRefresh)).toEqual([false, false, true]);
  });

  it('continues with the current credentials if there are no newer ones', async () => {
    const clock = { now: START };
    const provider = source(clock);
    mocked.fromNodeProviderChain.mockReturnValue(provider);
    const authorization = new AwsAuthorization(access(), () => clock.now);
    await authorization.headersFor(request);
    provider.mockRejectedValue(new Error('STS is out'));
    clock.now += 57 * MINUTE;
    expect(keyIn(await authorization.headersFor(request))).toBe('KEY1');
    clock.now += 4 * MINUTE;
    await expect(authorization.headersFor(request)).rejects.toThrow('STS is out');
  });

  it('names the setting that the operator must correct', async () => {
    const failing = (error: object): Promise<unknown> => {
      mocked.fromIni.mockReturnValue(() => Promise.reject(Object.assign(new Error('no such profile'), error)));
      return Promise.resolve(new AwsAuthorization(access({ aws_profile_name: 'dev' })).headersFor(request));
    };
    const fault = 'deployment d: litellm_params.aws_profile_name: AWS credentials cannot be loaded (no such profile)';
    await expect(failing({ name: 'CredentialsProviderError' })).rejects.toThrow(fault);
    await expect(failing({ name: 'AccessDenied', $fault: 'client' })).rejects.toThrow(fault);
    await expect(failing({ name: 'InternalFailure', $fault: 'server' })).rejects.toThrow(/^no such profile$/);
  });

  it('is uncallable without the package that it needs, and says which', () => {
    absent.add('credential-providers');
    const missing = (params: object): string | undefined => new AwsAuthorization(access(params)).missing()?.message;
    expect(missing({ aws_profile_name: 'dev' })).toContain(
      'aws_profile_name requires @aws-sdk/credential-providers, which is not installed',
    );
    expect(missing({})).toContain(
      'no API key and no AWS credentials are set; npm install @aws-sdk/credential-providers, or set AWS_BEARER',
    );
    expect(missing(keys)).toBeUndefined();
    absent.clear();
    expect(missing({})).toBeUndefined();
    absent.add('signature-v4');
    expect(missing(keys)).toContain('signing requires @smithy/signature-v4, which is not installed; npm install @smithy/signature-v4');
    absent.clear();
  });

  it.each<[string, object, RegExp]>([
    ['half a pair of keys', { aws_access_key_id: 'AKIA' }, /aws_secret_access_key must be|aws_secret_access_key: must be set/],
    ['the other half', { aws_secret_access_key: 's' }, /aws_access_key_id: must be set/],
  ])('rejects %s', (_, params, message) => {
    expect(() => new AwsAuthorization(access(params))).toThrow(message);
  });

  it.each<[string, object, RegExp]>([
    ['a token without a role', { aws_web_identity_token: 'ey' }, /aws_role_name: must be set/],
    [
      'a token of another source',
      { aws_web_identity_token: 'oidc/google/x', aws_role_name: 'r' },
      /aws_web_identity_token: must be a token/,
    ],
  ])('rejects %s with the first request', async (_, params, message) => {
    await expect(Promise.resolve().then(() => new AwsAuthorization(access(params)).headersFor(request))).rejects.toThrow(message);
  });

  it('knows refused credentials from missing permissions', () => {
    const authorization = new AwsAuthorization(access(keys));
    const refuses = (status: number, message: string): boolean => authorization.refuses(status, JSON.stringify({ message }));
    expect(refuses(403, 'The security token included in the request is expired')).toBe(true);
    expect(refuses(403, 'User: arn:aws:iam::1:user/a is not authorized to perform: bedrock:InvokeModel')).toBe(false);
    expect([refuses(401, ''), refuses(400, 'expired')]).toEqual([true, false]);
  });
});

it('hasAwsCredentials detects the credentials of a deployment', () => {
  expect([hasAwsCredentials(keys), hasAwsCredentials({ aws_profile_name: ' ' }), hasAwsCredentials({ aws_region_name: 'x' })]).toEqual([
    true,
    false,
    false,
  ]);
});
