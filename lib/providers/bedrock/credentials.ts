import { trimmedText } from '../../common/objects.js';
import { errorMessage } from '../../common/errors.js';
import { isInstalled, loadOptionalPackage } from '../../common/optional-package.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import type { RequestAuthorization, UnsignedRequest } from '../endpoint/authorization.js';
import { DeploymentFault } from '../endpoint/deployment-fault.js';
import { canSign, RequestSigner, SIGNATURE_PACKAGE, type AwsCredentials, type AwsService } from './signature.js';

type Params = Readonly<Record<string, unknown>>;
type CredentialProvider = (options?: { readonly forceRefresh?: boolean }) => Promise<AwsCredentials>;

/** The part of `@aws-sdk/credential-providers` that is used. */
interface CredentialProviders {
  fromIni(options: object): CredentialProvider;
  fromTemporaryCredentials(options: object): CredentialProvider;
  fromWebToken(options: object): CredentialProvider;
  fromTokenFile(options: object): CredentialProvider;
  fromNodeProviderChain(options?: object): CredentialProvider;
}

const PACKAGE = '@aws-sdk/credential-providers';
const OWN = [
  'aws_access_key_id',
  'aws_secret_access_key',
  'aws_session_token',
  'aws_profile_name',
  'aws_role_name',
  'aws_web_identity_token',
];
/** Before they expire. */
const RENEWED_MS = 5 * 60_000;
/** Requests that were refused together renew once. */
const JUST_FETCHED_MS = 5_000;
const TOKEN_FILE = /^(?:oidc\/file\/)?(?=\/)/;
const EXPIRED = /security token|expired/i;

/** Where the keys of a deployment come from. */
export interface AwsAccess {
  readonly params: Params;
  readonly env: Environment;
  readonly region: string;
  readonly deploymentId: string;
  /** Whether keys of the environment may go to the deployment's address. */
  readonly takesEnvironment: boolean;
  /** Default: Bedrock. */
  readonly service?: AwsService;
}

/** Whether a deployment has AWS credentials of its own. */
export function hasAwsCredentials(params: Params): boolean {
  return OWN.some((name) => trimmedText(params[name]) !== undefined);
}

/** Signs with the keys of a deployment or its environment. */
export class AwsAuthorization implements RequestAuthorization {
  private readonly fixed: AwsCredentials | undefined;
  private provider: CredentialProvider | undefined = undefined;
  private current: { readonly credentials: AwsCredentials; readonly signer: RequestSigner; readonly fetchedAt: number } | undefined =
    undefined;
  private fetching: Promise<void> | undefined = undefined;
  private mustRefresh = false;

  /** @throws DeploymentFault for keys that are incomplete */
  constructor(
    private readonly access: AwsAccess,
    private readonly now: () => number = Date.now,
  ) {
    this.fixed = fixedKeys(access);
    if (this.fixed !== undefined) this.keep(this.fixed);
  }

  get secrets(): readonly string[] {
    const { secretAccessKey, sessionToken } = this.current?.credentials ?? {};
    return [secretAccessKey, sessionToken].filter((secret) => secret !== undefined);
  }

  missing(): DeploymentFault | undefined {
    if (!canSign()) {
      const remedy = `npm install ${SIGNATURE_PACKAGE}, or set AWS_BEARER_TOKEN_BEDROCK`;
      const { deploymentId } = this.access;
      return new DeploymentFault(
        deploymentId,
        'aws_access_key_id',
        `signing requires ${SIGNATURE_PACKAGE}, which is not installed`,
        remedy,
      );
    }
    if (this.fixed !== undefined || isInstalled(() => require.resolve('@aws-sdk/credential-providers'))) return undefined;
    const { params, deploymentId } = this.access;
    const key = OWN.find((name) => trimmedText(params[name]) !== undefined);
    const reason = key === undefined ? 'no API key and no AWS credentials are set' : `${key} requires ${PACKAGE}, which is not installed`;
    const remedy = `npm install ${PACKAGE}, or set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`;
    return new DeploymentFault(deploymentId, key ?? 'aws_access_key_id', reason, remedy);
  }

  async headersFor(request: UnsignedRequest): Promise<readonly string[]> {
    if (this.fixed === undefined && !this.isFresh()) await this.fetch();
    const { signer } = this.current as NonNullable<typeof this.current>;
    return signer.headersFor(request, this.now());
  }

  refuses(status: number, body: string): boolean {
    return status === 401 || (status === 403 && EXPIRED.test(body));
  }

  renew(): boolean {
    const { current } = this;
    if (this.fixed !== undefined) return false;
    if (current !== undefined && this.now() - current.fetchedAt > JUST_FETCHED_MS) {
      this.current = undefined;
      this.mustRefresh = true;
    }
    return true;
  }

  private isFresh(): boolean {
    const { current } = this;
    if (current === undefined) return false;
    const { expiration } = current.credentials;
    return expiration === undefined || expiration.getTime() - this.now() > RENEWED_MS;
  }

  private fetch(): Promise<void> {
    this.fetching ??= this.fetchOnce().finally(() => (this.fetching = undefined));
    return this.fetching;
  }

  private async fetchOnce(): Promise<void> {
    try {
      this.provider ??= providerOf(this.access);
      this.keep(await this.provider({ forceRefresh: this.mustRefresh }));
      this.mustRefresh = false;
    } catch (error) {
      // The current credentials remain valid a little longer.
      const { expiration } = this.current?.credentials ?? {};
      if (expiration !== undefined && expiration.getTime() > this.now()) return;
      throw this.faultOf(error);
    }
  }

  private keep(credentials: AwsCredentials): void {
    const signer = new RequestSigner(credentials, this.access.region, this.access.service);
    this.current = { credentials, signer, fetchedAt: this.now() };
  }

  /**
   * Converts errors that the operator must correct; an outage of AWS's own services is passed on.
   */
  private faultOf(error: unknown): unknown {
    const { name, $fault: side, code } = error as { readonly name?: unknown; readonly $fault?: unknown; readonly code?: unknown };
    if (code === 'MISSING_PACKAGE') return this.missing() ?? error;
    if (error instanceof DeploymentFault || (side !== 'client' && name !== 'CredentialsProviderError')) return error;
    const { params, deploymentId } = this.access;
    const key = OWN.find((each) => trimmedText(params[each]) !== undefined) ?? 'aws_access_key_id';
    const remedy = 'correct the profile, the role or the keys that it names, or set AWS_BEARER_TOKEN_BEDROCK';
    return new DeploymentFault(deploymentId, key, `AWS credentials cannot be loaded (${errorMessage(error)})`, remedy);
  }
}

/** Keys that stand in the deployment or in the environment. */
function fixedKeys({ params, env, deploymentId, takesEnvironment }: AwsAccess): AwsCredentials | undefined {
  if (trimmedText(params.aws_role_name) !== undefined || trimmedText(params.aws_profile_name) !== undefined) return undefined;
  const own = keysOf(params.aws_access_key_id, params.aws_secret_access_key, params.aws_session_token, deploymentId);
  if (own !== undefined || !takesEnvironment || hasAwsCredentials(params)) return own;
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = env;
  // An incomplete pair is left to the chain, which reports it.
  return trimmedText(id) === undefined || trimmedText(secret) === undefined ? undefined : keysOf(id, secret, token, deploymentId);
}

function keysOf(id: unknown, secret: unknown, token: unknown, deploymentId: string): AwsCredentials | undefined {
  const [accessKeyId, secretAccessKey, sessionToken] = [trimmedText(id), trimmedText(secret), trimmedText(token)];
  if (accessKeyId !== undefined && secretAccessKey !== undefined) return { accessKeyId, secretAccessKey, sessionToken };
  if (accessKeyId === undefined && secretAccessKey === undefined) return undefined;
  if (accessKeyId === undefined)
    throw new DeploymentFault(deploymentId, 'aws_access_key_id', 'must be set together with aws_secret_access_key', '');
  throw new DeploymentFault(deploymentId, 'aws_secret_access_key', 'must be set together with aws_access_key_id', '');
}

/** @throws MissingPackageError */
function providerOf(access: AwsAccess): CredentialProvider {
  const providers = loadOptionalPackage(
    PACKAGE,
    'a role, a profile or the default credentials of AWS',
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only when asked: an optional peer
    () => require('@aws-sdk/credential-providers') as CredentialProviders,
  );
  const { params, env, region, deploymentId, takesEnvironment } = access;
  const role = trimmedText(params.aws_role_name);
  const profile = trimmedText(params.aws_profile_name);
  const endpoint = trimmedText(params.aws_sts_endpoint);
  const clientConfig = { region, ...(endpoint !== undefined && { endpoint }) };
  const roleSessionName = trimmedText(params.aws_session_name);
  const token = trimmedText(params.aws_web_identity_token);
  if (token !== undefined) {
    if (role === undefined)
      throw new DeploymentFault(deploymentId, 'aws_role_name', 'must be set together with aws_web_identity_token', '');
    const file = TOKEN_FILE.exec(token);
    const options = { roleArn: role, roleSessionName, clientConfig };
    if (file !== null) return providers.fromTokenFile({ ...options, webIdentityTokenFile: token.slice(file[0].length) });
    return providers.fromWebToken({ ...options, webIdentityToken: tokenIn(token, access) });
  }
  const ofProfile = profile === undefined ? undefined : providers.fromIni({ profile, clientConfig });
  if (role !== undefined) {
    const own = keysOf(params.aws_access_key_id, params.aws_secret_access_key, params.aws_session_token, deploymentId);
    const external = trimmedText(params.aws_external_id);
    return providers.fromTemporaryCredentials({
      masterCredentials: own ?? ofProfile,
      params: { RoleArn: role, ...(roleSessionName && { RoleSessionName: roleSessionName }), ...(external && { ExternalId: external }) },
      clientConfig,
    });
  }
  if (ofProfile !== undefined) return ofProfile;
  if (!takesEnvironment)
    throw new DeploymentFault(
      deploymentId,
      'aws_access_key_id',
      'must be set, because environment credentials are not sent to this address',
      '',
    );
  return providers.fromNodeProviderChain({ clientConfig, profile: trimmedText(env.AWS_PROFILE) });
}

/** LiteLLM's `oidc/env/NAME`, or the token itself. */
function tokenIn(token: string, { env, deploymentId }: AwsAccess): string {
  if (!token.startsWith('oidc/')) return token;
  const found = token.startsWith('oidc/env/') ? trimmedText(env[token.slice('oidc/env/'.length)]) : undefined;
  if (found !== undefined) return found;
  const reason = 'must be a token, oidc/env/<variable> or the path of a file';
  throw new DeploymentFault(deploymentId, 'aws_web_identity_token', reason, 'other OIDC providers are not supported');
}
