import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { RequestSigner, type AwsCredentials } from './signature.js';
import type { RequestBytes } from '../provider-transport.js';

const TIME = Date.UTC(2026, 10, 28, 9, 5, 3, 250);
const keys: AwsCredentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };

/** As the vendor signs the same request. */
async function expected(credentials: AwsCredentials, region: string, origin: string, path: string, body: string): Promise<string> {
  const { host, hostname, protocol } = new URL(origin);
  const [plain, query = ''] = path.split('?');
  const signer = new SignatureV4({ service: 'bedrock', region, credentials, sha256: Sha256, applyChecksum: false });
  const { headers } = await signer.sign(
    {
      method: 'POST',
      protocol,
      hostname,
      path: plain,
      query: Object.fromEntries(new URLSearchParams(query)),
      headers: { host, 'content-type': 'application/json' },
      body,
    },
    { signingDate: new Date(TIME) },
  );
  return headers.authorization;
}

async function signed(
  credentials: AwsCredentials,
  region: string,
  origin: string,
  path: string,
  body: RequestBytes,
): Promise<Record<string, string>> {
  const headers = ['x-other', 'not signed', 'content-type', 'application/json'];
  const list = await new RequestSigner(credentials, region).headersFor({ origin, path, headers, body }, TIME);
  return Object.fromEntries(list.flatMap((value, at) => (at % 2 === 0 ? [[value, list[at + 1]]] : [])));
}

describe('RequestSigner', () => {
  it.each<[string, AwsCredentials, string, string]>([
    ['a model', keys, 'https://bedrock-runtime.us-east-1.amazonaws.com', '/model/anthropic.claude-3-5-sonnet-20240620-v1%3A0/converse'],
    [
      'an ARN, with a session',
      { ...keys, sessionToken: 'IQoJb3JpZ2luX2VjE+/=' },
      'https://bedrock-runtime.us-east-1.amazonaws.com',
      `/model/${encodeURIComponent('arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2')}/converse-stream`,
    ],
    ['a port, a path before and a query', keys, 'http://127.0.0.1:4321', "/pre%20fix/(x)!/model/m'*/converse?b=2%202&a=1"],
  ])('signs the request of %s as the vendor does', async (_, credentials, origin, path) => {
    const body = JSON.stringify({ messages: [{ role: 'user', content: [{ text: 'größe' }] }] });
    const headers = await signed(credentials, 'us-east-1', origin, path, body);
    expect(headers.authorization).toBe(await expected(credentials, 'us-east-1', origin, path, body));
    const bytes = Buffer.from(body);
    for (const same of [bytes, [bytes.subarray(0, 9), bytes.subarray(9)]])
      expect(await signed(credentials, 'us-east-1', origin, path, same)).toEqual(headers);
    expect(headers['x-amz-date']).toBe('20261128T090503Z');
    expect(headers['x-amz-security-token']).toBe(credentials.sessionToken);
  });

  it('keeps the known signature of a request', async () => {
    const { authorization } = await signed(keys, 'us-east-1', 'https://bedrock-runtime.us-east-1.amazonaws.com', '/model/m/converse', '{}');
    expect(authorization).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261128/us-east-1/bedrock/aws4_request, ' +
        'SignedHeaders=content-type;host;x-amz-date, Signature=62e24dff6a1136d74af7c53ce797d851aafe9db930da48867815d21aa78a699e',
    );
  });

  it('signs any path and body as the vendor does', async () => {
    const model = fc.string({ minLength: 1, unit: 'binary' }).filter((text) => !/\p{Surrogate}/u.test(text) && !/^\.\.?$/.test(text));
    await fc.assert(
      fc.asyncProperty(model, fc.string(), fc.stringMatching(/^[a-z0-9-]{1,20}$/), async (id, body, region) => {
        const [origin, path] = [`https://bedrock-runtime.${region}.amazonaws.com`, `/model/${encodeURIComponent(id)}/converse`];
        expect((await signed(keys, region, origin, path, body)).authorization).toBe(await expected(keys, region, origin, path, body));
      }),
      { numRuns: 30 },
    );
  });

  it('signs with another key on another day', async () => {
    const signer = new RequestSigner(keys, 'us-east-1');
    const request = { origin: 'https://h', path: '/', headers: [], body: '' };
    const signatures = [TIME, TIME + 86_400_000, TIME].map(async (time) => (await signer.headersFor(request, time))[1]);
    const [first, second, third] = await Promise.all(signatures);
    expect(second).not.toBe(first);
    expect(third).toBe(first);
    expect((await new RequestSigner(keys, 'us-east-1').headersFor(request, TIME + 86_400_000))[1]).toBe(second);
  });
});
