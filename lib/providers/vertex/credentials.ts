import { createHash } from 'node:crypto';
import type * as Library from 'google-auth-library';
import { type Fields, isObject } from '../../common/objects.js';
import { isInstalled, loadOptionalPackage } from '../../common/optional-package.js';
import { ProviderError } from '../../common/provider-error.js';
import { readRegularFileSync } from '../../common/regular-file.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import { kindOfCode } from '../failure-kind.js';
import type { RequestAuthorization } from '../endpoint/authorization.js';
import { BearerTokens, sharedTokens, type AccessToken } from '../endpoint/bearer-tokens.js';
import { DeploymentFault } from '../endpoint/deployment-fault.js';

const PACKAGE = 'google-auth-library';
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const HOSTS = '.googleapis.com';
/** Where the library does not say when a token ends. */
const USUAL_LIFE_MS = 30 * 60_000;

/** Settings for fetching a deployment's tokens. */
export interface GoogleCredentials {
  /** A service account, a workload identity, …; `undefined`: the application default. */
  readonly json: Fields | undefined;
  /** `deployment`: they are for its address. Those of the environment are for Google's hosts. */
  readonly from: 'deployment' | 'environment' | 'default';
  readonly project: string | undefined;
}

/**
 * Finds the credentials: `vertex_credentials` (JSON, or the path of a JSON file), the same in
 * `VERTEXAI_CREDENTIALS`, else the application default.
 * @throws DeploymentFault if it is neither JSON nor such a file; the error does not quote it.
 */
export function googleCredentials(params: Fields, env: Environment, deploymentId: string): GoogleCredentials {
  const own = [params.vertex_credentials, params.vertex_ai_credentials].find(
    (value) => value !== undefined && value !== null && value !== '',
  );
  const set = own ?? env.VERTEXAI_CREDENTIALS;
  const key = own === undefined ? 'vertex_credentials (from VERTEXAI_CREDENTIALS)' : 'vertex_credentials';
  if (set !== undefined && set !== '') {
    const json = jsonOf(set, key, deploymentId);
    return { json, from: own === undefined ? 'environment' : 'deployment', project: projectIn(json) };
  }
  const file = env.GOOGLE_APPLICATION_CREDENTIALS;
  if (file === undefined || file === '') return { json: undefined, from: 'default', project: undefined };
  const json = jsonOf(file, 'vertex_credentials (from GOOGLE_APPLICATION_CREDENTIALS)', deploymentId);
  return { json, from: 'default', project: projectIn(json) };
}

function jsonOf(value: unknown, key: string, deploymentId: string): Fields {
  if (isObject(value)) return value;
  const given = typeof value === 'string' ? value.trim() : '';
  try {
    const json: unknown = JSON.parse(given.startsWith('{') ? given : readRegularFileSync(given).toString());
    if (typeof json === 'object' && json !== null && typeof (json as Fields).type === 'string') return json as Fields;
  } catch {
    // Its message may show a part of the key.
  }
  const reason = 'must be Google credentials as JSON, or the path of a credentials file';
  throw new DeploymentFault(deploymentId, key, reason, 'download a service account key, or create a workload identity configuration');
}

function projectIn({ project_id: project, quota_project_id: quota }: Fields): string | undefined {
  return [project, quota].find((value): value is string => typeof value === 'string' && value !== '');
}

/**
 * Google's access tokens, from Google's own library: one for all deployments with the same
 * identity.
 */
export class GoogleAuthorization implements RequestAuthorization {
  private readonly tokens: BearerTokens;

  constructor(
    { json }: GoogleCredentials,
    private readonly deploymentId: string,
  ) {
    const identity = createHash('sha256')
      .update(`google ${JSON.stringify(json) ?? ''}`)
      .digest('base64');
    this.tokens = sharedTokens(identity, () => new BearerTokens(fetcher(json)));
  }

  /** Whether these credentials may be sent to an address. */
  static isFor({ from }: GoogleCredentials, { protocol, hostname }: URL): boolean {
    return from === 'deployment' || (protocol === 'https:' && hostname.endsWith(HOSTS));
  }

  get secrets(): readonly string[] {
    const { known } = this.tokens;
    return known === undefined ? [] : [known];
  }

  headersFor(): readonly string[] | Promise<readonly string[]> {
    const token = this.tokens.get();
    if (typeof token === 'string') return bearer(token);
    return token.then(bearer, (error: unknown) => {
      throw this.faultOf(error as Fields);
    });
  }

  renew(): boolean {
    this.tokens.renew();
    return true;
  }

  missing(): DeploymentFault | undefined {
    return isInstalled(() => require.resolve('google-auth-library')) ? undefined : this.notInstalled();
  }

  private notInstalled(): DeploymentFault {
    const reason = `Vertex AI requires ${PACKAGE}, which is not installed`;
    return new DeploymentFault(this.deploymentId, 'vertex_credentials', reason, `npm install ${PACKAGE}`);
  }

  /** Without the library's own error: it holds the request, and the signed assertion in it. */
  private faultOf(error: Fields): Error {
    const { status, code, response } = error;
    if (code === 'MISSING_PACKAGE') return this.notInstalled();
    const answer = response as { readonly status?: unknown; readonly data?: { readonly error?: unknown } } | undefined;
    const stated = [status, answer?.status, code].find((value) => typeof value === 'number');
    const kind = stated === undefined ? kindOfCode(error) : stated >= 500 ? 'server' : stated === 429 ? 'rate_limit' : undefined;
    if (kind !== undefined) {
      const message = `Google's token service failed (${stated ?? kind}).`;
      return new ProviderError({ kind, message, provider: 'vertex_ai', deploymentId: this.deploymentId });
    }
    const said = answer?.data?.error;
    const word = typeof said === 'string' && /^[a-z_]{1,40}$/.test(said) ? said : (stated ?? 'no credentials found');
    const remedy = 'correct vertex_credentials or VERTEXAI_CREDENTIALS, or run gcloud auth application-default login';
    return new DeploymentFault(this.deploymentId, 'vertex_credentials', `Google did not issue a token (${word})`, remedy);
  }
}

function bearer(token: string): readonly string[] {
  return ['authorization', `Bearer ${token}`];
}

/** The library keeps its tokens, too: after a refusal a new one of it asks for a new token. */
function fetcher(json: Fields | undefined): (isRefused: boolean) => Promise<AccessToken> {
  let auth: Library.GoogleAuth | undefined;
  return async (isRefused) => {
    if (isRefused) auth = undefined;
    auth ??= new (library().GoogleAuth)({ scopes: SCOPE, ...(json !== undefined && { credentials: json }) });
    const client = await auth.getClient();
    const { token } = await client.getAccessToken();
    if (typeof token !== 'string' || token === '') throw new Error('the response from Google has no token');
    const { expiry_date: statedMs } = client.credentials;
    const nowMs = Date.now();
    return { token, expiresAtMs: typeof statedMs === 'number' && statedMs > nowMs ? statedMs : nowMs + USUAL_LIFE_MS };
  };
}

/** @throws MissingPackageError */
function library(): typeof Library {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- with the first request: an optional peer
  return loadOptionalPackage(PACKAGE, 'calling Vertex AI', () => require('google-auth-library') as typeof Library);
}
