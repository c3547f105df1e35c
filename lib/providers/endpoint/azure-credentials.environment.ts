import { trimmedText } from '../../common/objects.js';
import { createHash } from 'node:crypto';
import { isInstalled, loadOptionalPackage } from '../../common/optional-package.js';
import { readRegularFile } from '../../common/regular-file.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import type { RequestAuthorization } from './authorization.js';
import { BearerTokens, sharedTokens, type AccessToken } from './bearer-tokens.js';
import { DeploymentFault } from './deployment-fault.js';

type Params = Readonly<Record<string, unknown>>;

interface TokenCredential {
  getToken(scope: string): Promise<{ readonly token: string; readonly expiresOnTimestamp: number } | null>;
}

/** The part of `@azure/identity` that is used. */
interface AzureIdentity {
  readonly ClientSecretCredential: new (tenant: string, client: string, secret: string, options: object) => TokenCredential;
  readonly ClientAssertionCredential: new (
    tenant: string,
    client: string,
    assertion: () => Promise<string>,
    options: object,
  ) => TokenCredential;
  readonly DefaultAzureCredential: new (options: object) => TokenCredential;
  readonly EnvironmentCredential: new (options: object) => TokenCredential;
  readonly ManagedIdentityCredential: new (options: object) => TokenCredential;
  readonly WorkloadIdentityCredential: new (options: object) => TokenCredential;
}

/** Credentials that the library finds by itself, as LiteLLM's `AZURE_CREDENTIAL` names them. */
const FOUND = ['DefaultAzureCredential', 'EnvironmentCredential', 'ManagedIdentityCredential', 'WorkloadIdentityCredential'] as const;
type Found = (typeof FOUND)[number];

/** Who asks for the token. */
type Identity =
  | { readonly kind: 'secret'; readonly tenant: string; readonly client: string; readonly secret: string }
  | { readonly kind: 'assertion'; readonly tenant: string; readonly client: string; readonly source: string }
  | { readonly kind: Found; readonly client: string | undefined };

/** Where the identity of a deployment comes from. */
export interface AzureAccess {
  readonly params: Params;
  readonly env: Environment;
  readonly deploymentId: string;
  /** Whether a token by the environment's credentials may go to the deployment's address. */
  readonly takesEnvironment: boolean;
}

const PACKAGE = '@azure/identity';
const SCOPE = 'https://cognitiveservices.azure.com/.default';
/** Federated tokens on this machine: of a variable, a file, or a file that a variable names. */
const LOCAL_OIDC = /^oidc\/(?:env|file|env_path)\/./;

/** Codes by which Entra refuses an identity. The library passes them on without the status. */
const REFUSALS: ReadonlySet<string> = new Set([
  'invalid_client',
  'unauthorized_client',
  'invalid_request',
  'invalid_grant',
  'invalid_scope',
  'invalid_resource',
  'unsupported_grant_type',
  'access_denied',
  'consent_required',
  'interaction_required',
  'login_required',
]);

/** Whether a deployment names an identity of its own. */
export function namesAzureIdentity({ tenant_id: tenant, client_id: client, client_secret: secret }: Params): boolean {
  return [tenant, client, secret].some((part) => trimmedText(part) !== undefined);
}

/** Whether a token is exchanged for one of Entra's. */
export function isLocalOidc(token: unknown): boolean {
  return LOCAL_OIDC.test(trimmedText(token) ?? '');
}

/**
 * Tokens of Microsoft Entra ID for a deployment; `undefined` if neither it nor the environment
 * has an identity.
 * @throws DeploymentFault for an identity that is incomplete
 */
export function azureAuthorization(access: AzureAccess): RequestAuthorization | undefined {
  const identity = identityOf(access);
  return identity === undefined ? undefined : new EntraAuthorization(access, identity);
}

function identityOf({ params, env, deploymentId, takesEnvironment }: AzureAccess): Identity | undefined {
  const names = namesAzureIdentity(params);
  const tenant = trimmedText(params.tenant_id) ?? trimmedText(env.AZURE_TENANT_ID);
  const client = trimmedText(params.client_id) ?? trimmedText(env.AZURE_CLIENT_ID);
  const source = trimmedText(params.azure_ad_token);
  const isExchanged = source !== undefined && isLocalOidc(source);
  const secret = isExchanged
    ? undefined
    : (trimmedText(params.client_secret) ?? (takesEnvironment ? trimmedText(env.AZURE_CLIENT_SECRET) : undefined));
  if (isExchanged && tenant !== undefined && client !== undefined) return { kind: 'assertion', tenant, client, source };
  if (secret !== undefined && tenant !== undefined && client !== undefined && (names || takesEnvironment)) {
    return { kind: 'secret', tenant, client, secret };
  }
  const found = foundKind(trimmedText(env.AZURE_CREDENTIAL));
  if (found !== undefined && takesEnvironment && !isExchanged) return { kind: found, client };
  if (!names && !isExchanged) return undefined;
  const missing = tenant === undefined ? 'tenant_id' : client === undefined ? 'client_id' : 'client_secret';
  throw new DeploymentFault(
    deploymentId,
    missing,
    'must be set together with the other parts of the identity',
    `set it, or AZURE_${missing.toUpperCase()}`,
  );
}

function foundKind(name: string | undefined): Found | undefined {
  return FOUND.find((kind) => kind === name);
}

class EntraAuthorization implements RequestAuthorization {
  private readonly tokens: BearerTokens;

  constructor(
    private readonly access: AzureAccess,
    private readonly identity: Identity,
  ) {
    const { params, env } = access;
    const scope = trimmedText(params.azure_scope) ?? trimmedText(env.AZURE_SCOPE) ?? SCOPE;
    const authorityHost = trimmedText(env.AZURE_AUTHORITY_HOST);
    const key = createHash('sha256')
      .update(JSON.stringify([identity, scope, authorityHost]))
      .digest('base64');
    this.tokens = sharedTokens(key, () => new BearerTokens(fetcher(identity, scope, authorityHost, env)));
  }

  get secrets(): readonly string[] {
    const { identity, tokens } = this;
    const { known } = tokens;
    return [...(identity.kind === 'secret' ? [identity.secret] : []), ...(known === undefined ? [] : [known])];
  }

  missing(): DeploymentFault | undefined {
    if (isInstalled(() => require.resolve('@azure/identity'))) return undefined;
    const reason = `authentication with Microsoft Entra ID requires ${PACKAGE}, which is not installed`;
    return new DeploymentFault(this.access.deploymentId, this.key, reason, `npm install ${PACKAGE}, or set api_key`);
  }

  headersFor(): readonly string[] | Promise<readonly string[]> {
    const token = this.tokens.get();
    if (typeof token === 'string') return ['authorization', `Bearer ${token}`];
    return token.then(
      (fetched) => ['authorization', `Bearer ${fetched}`],
      (error: unknown) => {
        throw this.faultOf(error);
      },
    );
  }

  renew(): boolean {
    this.tokens.renew();
    return true;
  }

  private get key(): string {
    return this.identity.kind === 'secret' ? 'client_secret' : this.identity.kind === 'assertion' ? 'azure_ad_token' : 'api_key';
  }

  /** Converts errors that the operator must correct; an outage of the service is passed on. */
  private faultOf(error: unknown): unknown {
    const { name, statusCode: status, errorResponse, code, message } = error as EntraError;
    if (code === 'MISSING_PACKAGE') return this.missing() ?? error;
    const word = typeof errorResponse?.error === 'string' ? errorResponse.error : wordIn(message);
    const isRefused =
      name === 'CredentialUnavailableError' ||
      (typeof status === 'number' ? status >= 400 && status < 500 && status !== 429 : REFUSALS.has(word ?? ''));
    if (!isRefused) return error;
    const said = word ?? String(name);
    const remedy = "correct tenant_id, client_id, client_secret and the identity's role on the resource";
    return new DeploymentFault(this.access.deploymentId, this.key, `Microsoft Entra ID did not issue a token (${said})`, remedy);
  }
}

/** An error of `@azure/identity`. Its message may repeat parts of the request. */
interface EntraError {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  readonly statusCode?: unknown;
  readonly errorResponse?: { readonly error?: unknown };
}

/** OAuth's code of the error, with which the messages of MSAL begin. */
function wordIn(message: unknown): string | undefined {
  return typeof message === 'string' ? /^([a-z_]{1,40}): /.exec(message)?.[1] : undefined;
}

/** The library keeps its tokens, too: after a refusal a new credential asks for a new one. */
function fetcher(
  identity: Identity,
  scope: string,
  authorityHost: string | undefined,
  env: Environment,
): (isRefused: boolean) => Promise<AccessToken> {
  let credential: TokenCredential | undefined;
  return async (isRefused) => {
    if (isRefused) credential = undefined;
    credential ??= credentialOf(identity, { ...(authorityHost !== undefined && { authorityHost }) }, env);
    const granted = await credential.getToken(scope);
    if (granted === null) throw new Error('the response from Microsoft Entra ID has no token');
    return { token: granted.token, expiresAtMs: granted.expiresOnTimestamp };
  };
}

/** @throws MissingPackageError */
function credentialOf(identity: Identity, options: object, env: Environment): TokenCredential {
  const library = loadOptionalPackage(
    PACKAGE,
    'authentication with Microsoft Entra ID',
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only when asked: an optional peer
    () => require('@azure/identity') as AzureIdentity,
  );
  const { kind, client } = identity;
  if (kind === 'secret') return new library.ClientSecretCredential(identity.tenant, identity.client, identity.secret, options);
  if (kind === 'assertion') {
    return new library.ClientAssertionCredential(identity.tenant, identity.client, () => federatedToken(identity.source, env), options);
  }
  if (kind === 'ManagedIdentityCredential')
    return new library.ManagedIdentityCredential({ ...options, ...(client !== undefined && { clientId: client }) });
  return new library[kind]({ ...options, ...(client !== undefined && { managedIdentityClientId: client }) });
}

/** Read again each time: platforms replace such tokens every hour. */
async function federatedToken(source: string, env: Environment): Promise<string> {
  const [, kind, ...rest] = source.split('/');
  const name = rest.join('/');
  if (kind === 'env') return env[name] ?? '';
  const path = kind === 'env_path' ? (env[name] ?? '') : name;
  return (await readRegularFile(path)).toString().trim();
}
