import { readFileSync } from 'node:fs';
import type * as Library from 'google-auth-library';
import { loadOptionalPackage } from '../../../common/optional-package.js';
import { ProviderError } from '../../../common/provider-error.js';
import type { Environment } from '../../../feature-flags/feature-flags.environment.js';
import { kindOfCode } from '../../call/failure.js';
import type { RequestAuthorization, UnsignedRequest } from '../authorization.js';
import { DeploymentFault } from '../deployment-fault.js';

type Fields = Readonly<Record<string, unknown>>;

const PACKAGE = 'google-auth-library';
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const HOSTS = '.googleapis.com';
/** A token is renewed before its end, while it still serves. */
const EARLY_MS = 4 * 60_000;
/** Where the library does not say when a token ends. */
const USUAL_LIFE_MS = 30 * 60_000;
/** A token as new as this is not the one that was refused. */
const FRESH_MS = 5_000;

/** What a deployment's tokens are got with. */
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
 * @throws DeploymentFault for what is neither JSON nor such a file; it shows nothing of it.
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
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  const given = typeof value === 'string' ? value.trim() : '';
  try {
    const json: unknown = JSON.parse(given.startsWith('{') ? given : readFileSync(given, 'utf8'));
    if (typeof json === 'object' && json !== null && typeof (json as Fields).type === 'string') return json as Fields;
  } catch {
    // Its message may show a part of the key.
  }
  const reason = "must be Google's credentials as JSON, or the path of a file with them";
  throw new DeploymentFault(deploymentId, key, reason, 'download the key of a service account, or write a workload identity');
}

function projectIn({ project_id: project, quota_project_id: quota }: Fields): string | undefined {
  return [project, quota].find((value): value is string => typeof value === 'string' && value !== '');
}

/** A token, and until when it serves. */
interface Token {
  readonly value: string;
  readonly headers: readonly string[];
  readonly fetchedAtMs: number;
  readonly endsAtMs: number;
}

/** Google's access tokens by Google's own library: one for all requests, renewed early. */
export class GoogleAuthorization implements RequestAuthorization {
  private auth: Library.GoogleAuth | undefined = undefined;
  private token: Token | undefined = undefined;
  private fetching: Promise<Token> | undefined = undefined;

  constructor(
    private readonly credentials: GoogleCredentials,
    private readonly deploymentId: string,
  ) {}

  /** Whether these credentials may be sent to an address. */
  static isFor({ from }: GoogleCredentials, { protocol, hostname }: URL): boolean {
    return from === 'deployment' || (protocol === 'https:' && hostname.endsWith(HOSTS));
  }

  get secrets(): readonly string[] {
    return this.token === undefined ? [] : [this.token.value];
  }

  headersFor(_request: UnsignedRequest): readonly string[] | Promise<readonly string[]> {
    const { token } = this;
    const nowMs = Date.now();
    if (token !== undefined && nowMs < token.endsAtMs - EARLY_MS) return token.headers;
    const next = this.fetched();
    if (token === undefined || nowMs >= token.endsAtMs) return next.then(({ headers }) => headers);
    // The old one still serves: the next request finds the new one, or the error.
    next.catch(() => {});
    return token.headers;
  }

  renew(): boolean {
    const { token } = this;
    if (token !== undefined && Date.now() - token.fetchedAtMs >= FRESH_MS) {
      this.token = undefined;
      // The library keeps the token, too.
      this.auth = undefined;
    }
    return true;
  }

  /** What the operator has to install. */
  missing(): DeploymentFault | undefined {
    try {
      require.resolve(PACKAGE);
      return undefined;
    } catch {
      return this.notInstalled();
    }
  }

  private fetched(): Promise<Token> {
    const begun = (this.fetching ??= this.fetch());
    const over = (): void => {
      if (this.fetching === begun) this.fetching = undefined;
    };
    begun.then(over, over);
    return begun;
  }

  private async fetch(): Promise<Token> {
    try {
      const client = await this.library().getClient();
      const { token } = await client.getAccessToken();
      if (typeof token !== 'string' || token === '') throw new Error('no token');
      const nowMs = Date.now();
      const { expiry_date: statedMs } = client.credentials;
      const endsAtMs = typeof statedMs === 'number' && statedMs > nowMs ? statedMs : nowMs + USUAL_LIFE_MS;
      return (this.token = { value: token, headers: ['authorization', `Bearer ${token}`], fetchedAtMs: nowMs, endsAtMs });
    } catch (error) {
      throw error instanceof DeploymentFault ? error : this.failure(error as Fields);
    }
  }

  private library(): Library.GoogleAuth {
    if (this.auth !== undefined) return this.auth;
    let library: typeof Library;
    try {
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- with the first request: an optional peer
      library = loadOptionalPackage(PACKAGE, 'calling Vertex AI', () => require('google-auth-library') as typeof Library);
    } catch {
      throw this.notInstalled();
    }
    const { json } = this.credentials;
    return (this.auth = new library.GoogleAuth({ scopes: SCOPE, ...(json !== undefined && { credentials: json }) }));
  }

  private notInstalled(): DeploymentFault {
    const reason = `Vertex AI needs the package ${PACKAGE}, which is not installed`;
    return new DeploymentFault(this.deploymentId, 'vertex_credentials', reason, `npm install ${PACKAGE}`);
  }

  /** Without the library's own error: it holds the request, and the signed assertion in it. */
  private failure({ status, code, response }: Fields): Error {
    const answer = response as { readonly status?: unknown; readonly data?: { readonly error?: unknown } } | undefined;
    const [stated] = [status, answer?.status, code].filter((value): value is number => typeof value === 'number');
    const kind = stated === undefined ? kindOfCode({ code }) : stated >= 500 ? 'server' : stated === 429 ? 'rate_limit' : undefined;
    if (kind !== undefined) {
      const message = `Google's token service failed (${stated ?? String(code)}).`;
      return new ProviderError({ kind, message, provider: 'vertex_ai', deploymentId: this.deploymentId });
    }
    const said = answer?.data?.error;
    const word = typeof said === 'string' && /^[a-z_]{1,40}$/.test(said) ? said : (stated ?? 'none found');
    const mend = 'correct vertex_credentials or VERTEXAI_CREDENTIALS, or run gcloud auth application-default login';
    return new DeploymentFault(this.deploymentId, 'vertex_credentials', `Google granted no token (${word})`, mend);
  }
}
