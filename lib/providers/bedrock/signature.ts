import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { isInstalled, loadOptionalPackage } from '../../common/optional-package.js';
import type { UnsignedRequest } from '../endpoint/authorization.js';
import { partsOf, type RequestBytes } from '../provider-transport.js';

/** AWS credentials, permanent or for a session. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

/** The part of `@smithy/signature-v4` that is used. */
interface Signer {
  sign(request: object, options: object): Promise<{ readonly headers: Readonly<Record<string, string>> }>;
}
interface SignaturePackage {
  readonly SignatureV4: new (options: object) => Signer;
}

export const SIGNATURE_PACKAGE = '@smithy/signature-v4';
/** States the hash of the body, for a body in parts. */
const BODY_HASH = 'x-amz-content-sha256';
const SIGNED = ['authorization', 'x-amz-date', 'x-amz-security-token'];

/** A service of AWS, and how its requests are signed. */
export interface AwsService {
  readonly name: string;
  /** For the error without the package: `signing requests to Amazon Bedrock`. */
  readonly purpose: string;
  /** Whether the hash of the body is sent and signed. */
  readonly signsBody: boolean;
  /** Whether the path is escaped once more before it is signed, as by all services but S3. */
  readonly escapesPath: boolean;
}

export const BEDROCK: AwsService = {
  name: 'bedrock',
  purpose: 'signing requests to Amazon Bedrock',
  signsBody: false,
  escapesPath: true,
};
export const S3: AwsService = { name: 's3', purpose: 'the callback s3_v2', signsBody: true, escapesPath: false };

export function canSign(): boolean {
  return isInstalled(() => require.resolve('@smithy/signature-v4'));
}

/** Signs requests with AWS Signature Version 4. */
export class RequestSigner {
  private signer: Signer | undefined = undefined;

  constructor(
    private readonly credentials: AwsCredentials,
    private readonly region: string,
    private readonly service = BEDROCK,
  ) {}

  /**
   * Returns the headers that authorize a request: names, each followed by its value.
   * @throws MissingPackageError
   */
  async headersFor({ method = 'POST', origin, path, headers, body }: UnsignedRequest, now: number): Promise<readonly string[]> {
    const { host, hostname, protocol } = new URL(origin);
    const [plain, query = ''] = path.split('?', 2);
    const params = new URLSearchParams(query);
    const type = headers.indexOf('content-type');
    const request = {
      method,
      protocol,
      hostname,
      path: plain,
      query: Object.fromEntries([...params.keys()].map((name) => [name, params.getAll(name)])),
      headers: { host, ...(type >= 0 && { 'content-type': headers[type + 1] }), [BODY_HASH]: hashOf(body) },
    };
    const { signsBody } = this.service;
    const unsignableHeaders = new Set(signsBody ? [] : [BODY_HASH]);
    const signed = await this.loaded().sign(request, { signingDate: new Date(now), unsignableHeaders });
    return [...SIGNED, ...(signsBody ? [BODY_HASH] : [])].flatMap((name) =>
      signed.headers[name] === undefined ? [] : [name, signed.headers[name]],
    );
  }

  private loaded(): Signer {
    if (this.signer !== undefined) return this.signer;
    const { SignatureV4 } = loadOptionalPackage(
      SIGNATURE_PACKAGE,
      this.service.purpose,
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- an optional peer
      () => require('@smithy/signature-v4') as SignaturePackage,
    );
    const { credentials, region } = this;
    const { name: service, escapesPath: uriEscapePath } = this.service;
    return (this.signer = new SignatureV4({ service, region, credentials, sha256: Sha256, applyChecksum: false, uriEscapePath }));
  }
}

/** The hash in the shape that the signer expects; with a secret, an HMAC. */
class Sha256 {
  private readonly hash: Hash | Hmac;

  constructor(secret?: string | Uint8Array) {
    this.hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret);
  }

  update(data: Uint8Array): void {
    this.hash.update(data);
  }

  digest(): Uint8Array {
    return this.hash.digest();
  }
}

function hashOf(body: RequestBytes): string {
  const hash = createHash('sha256');
  for (const part of partsOf(body)) hash.update(part);
  return hash.digest('hex');
}
