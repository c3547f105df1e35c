import { ProviderEndpoint, type EndpointParams } from '../endpoint/endpoint.js';
import { upstreamModel } from '../endpoint/resolution.js';
import { modelWithoutRegion } from './region.js';

const NOVA = 'amazon.nova-pro-v1:0';
const ARN = 'arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc';
const endpoint = (params: Partial<EndpointParams> & Record<string, unknown>, env: Record<string, string> = {}): ProviderEndpoint =>
  new ProviderEndpoint({ model: `bedrock/${NOVA}`, ...params }, 'a', env);
const authorizationOf = ({ headers }: ProviderEndpoint): string | undefined => headers[headers.indexOf('authorization') + 1];

describe('an endpoint of Bedrock', () => {
  it.each<[string, Record<string, unknown>, Record<string, string>, string]>([
    ['its parameter', { aws_region_name: 'eu-west-1' }, { AWS_REGION: 'us-east-1' }, 'eu-west-1'],
    ['its model', { model: `bedrock/ap-south-1/${NOVA}` }, { AWS_REGION: 'us-east-1' }, 'ap-south-1'],
    ['its model, behind a route', { model: `bedrock/converse/us-gov-west-1/${NOVA}` }, {}, 'us-gov-west-1'],
    ['an ARN', { model: `bedrock/${ARN}` }, { AWS_REGION: 'us-east-1' }, 'eu-central-1'],
    ['an ARN behind a route', { model: `bedrock/converse/${ARN}` }, {}, 'eu-central-1'],
    ['the ARN of model_id', { model_id: ARN }, {}, 'eu-central-1'],
    ['AWS_REGION_NAME', {}, { AWS_REGION_NAME: 'eu-west-2', AWS_REGION: 'us-east-1' }, 'eu-west-2'],
    ['AWS_REGION', {}, { AWS_REGION: 'us-east-1\n', AWS_DEFAULT_REGION: 'x' }, 'us-east-1'],
    ['AWS_DEFAULT_REGION', {}, { AWS_DEFAULT_REGION: 'us-east-2' }, 'us-east-2'],
    ['LiteLLM', {}, {}, 'us-west-2'],
  ])('has the region of %s', (_, params, env, region) => {
    expect(endpoint(params, env).origin).toBe(`https://bedrock-runtime.${region}.amazonaws.com`);
  });

  it('is in China under another name', () => {
    expect(endpoint({ aws_region_name: 'cn-north-1' }).origin).toBe('https://bedrock-runtime.cn-north-1.amazonaws.com.cn');
  });

  it.each(['evil.example/', 'a.b', 'x@evil', 'EU', '../x', 'a#'])('rejects the region %s', (region) => {
    expect(() => endpoint({ aws_region_name: region })).toThrow('aws_region_name: must contain only lower-case letters');
    expect(() => endpoint({}, { AWS_REGION: region })).toThrow('aws_region_name: must contain only lower-case letters');
  });

  it.each<[string, string]>([
    [`bedrock/${NOVA}`, NOVA],
    [`bedrock/converse/${NOVA}`, NOVA],
    [`bedrock/us-east-1/${NOVA}`, NOVA],
    [`bedrock/converse/eu-west-1/${NOVA}`, NOVA],
    [`bedrock/${ARN}`, ARN],
    ['bedrock/us.anthropic.claude-opus-4-6-v1', 'us.anthropic.claude-opus-4-6-v1'],
  ])('calls %s as %s', (model, called) => {
    expect(upstreamModel(model)).toBe(called);
    expect(modelWithoutRegion(model)).toBe(called);
  });

  it.each(['invoke', 'agent', 'agentcore', 'openai', 'mantle'])('refuses the route %s/', (route) => {
    expect(() => endpoint({ model: `bedrock/${route}/x` })).toThrow(`model: the route ${route}/ of bedrock is not supported`);
  });
});

describe('the keys of Bedrock', () => {
  const bearer = { AWS_BEARER_TOKEN_BEDROCK: 'bearer-of-env' };
  const aws = { AWS_ACCESS_KEY_ID: 'AKIAENV', AWS_SECRET_ACCESS_KEY: 'secret-of-env' };
  const own = { aws_access_key_id: 'AKIAOWN', aws_secret_access_key: 'secret-of-own' };
  const keyOf = async (asked: ProviderEndpoint): Promise<string | undefined> => {
    const { authorization, origin } = asked;
    if (authorization === undefined) return asked.headers.includes('authorization') ? authorizationOf(asked) : undefined;
    const headers = await authorization.headersFor({ origin, path: '/model/m/converse', headers: [], body: '{}' });
    return /Credential=(\w+)/.exec(headers[1])?.[1];
  };

  it.each<[string, Record<string, unknown>, Record<string, string>, string | undefined]>([
    ['api_key', { api_key: 'k' }, { ...bearer, ...aws }, 'Bearer k'],
    ['keys of the deployment', own, { ...bearer, ...aws }, 'AKIAOWN'],
    ['a bearer of the environment', {}, { ...bearer, ...aws }, 'Bearer bearer-of-env'],
    ['keys of the environment', {}, aws, 'AKIAENV'],
    ['a header', { extra_headers: { Authorization: 'Bearer h' } }, aws, 'Bearer h'],
    ['own keys at an own address', { ...own, api_base: 'https://proxy.example' }, { ...bearer, ...aws }, 'AKIAOWN'],
    ["an endpoint of AWS's", { api_base: 'https://vpce-1-a.bedrock-runtime.us-east-1.vpce.amazonaws.com' }, aws, 'AKIAENV'],
    [
      'an endpoint of both protocols',
      { aws_bedrock_runtime_endpoint: 'https://bedrock-runtime.us-east-1.api.aws' },
      bearer,
      'Bearer bearer-of-env',
    ],
    ['an endpoint of the same environment', {}, { ...aws, AWS_BEDROCK_RUNTIME_ENDPOINT: 'http://127.0.0.1:4000' }, 'AKIAENV'],
    ['nothing at another address', { api_base: 'https://proxy.example' }, { ...bearer, ...aws }, undefined],
    [
      "nothing at another service's address",
      { api_base: 'https://x.execute-api.us-east-1.amazonaws.com' },
      { ...bearer, ...aws },
      undefined,
    ],
    [
      'nothing at a like address',
      { api_base: 'https://bedrock-runtime.us-east-1.amazonaws.com.evil.example' },
      { ...bearer, ...aws },
      undefined,
    ],
    [
      'nothing without TLS',
      { aws_bedrock_runtime_endpoint: 'http://bedrock-runtime.us-east-1.amazonaws.com' },
      { ...bearer, ...aws },
      undefined,
    ],
  ])('are %s', async (_, params, env, key) => {
    expect(await keyOf(endpoint(params, env))).toBe(key);
  });

  it('rejects half of a pair, and names that are misspelt', () => {
    expect(() => endpoint({ aws_access_key_id: 'AKIA' })).toThrow('aws_secret_access_key: must be set');
    expect(() => endpoint({ awsAccessKeyId: 'AKIA' })).toThrow('write aws_access_key_id');
    expect(() => endpoint({ aws_role_name: 7 })).toThrow('aws_role_name: must be a string');
  });

  it('are removed from messages', () => {
    const asked = endpoint({ ...own, aws_session_token: 'token-of-own' });
    expect(asked.mask.text('secret-of-own and token-of-own')).toBe('*** and ***');
  });

  it('are missing nothing where the default chain may find some', () => {
    expect(endpoint({}).missingKey()).toBeUndefined();
    expect([endpoint({}, aws).isSetUp, endpoint({}, bearer).isSetUp, endpoint({}).isSetUp]).toEqual([true, true, false]);
  });
});
