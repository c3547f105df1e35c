import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import type { RequestAuthorization } from './authorization.js';
import { BearerTokens, sharedTokens, type AccessToken } from './bearer-tokens.js';
import { DeploymentFault } from './deployment-fault.js';

const FETCH_MS = 30_000;

/** Whether the environment names a service principal, which comes before a key. */
export function hasDatabricksClient({ DATABRICKS_CLIENT_ID: client = '', DATABRICKS_CLIENT_SECRET: secret = '' }: Environment): boolean {
  return client.trim() !== '' && secret.trim() !== '';
}

/** OAuth of a service principal of Databricks; `undefined` if the environment names none. */
export function databricksAuthorization(origin: string, env: Environment, deploymentId: string): RequestAuthorization | undefined {
  const { DATABRICKS_CLIENT_ID: client = '', DATABRICKS_CLIENT_SECRET: secret = '' } = env;
  if (!hasDatabricksClient(env)) return undefined;
  const identity = { client: client.trim(), secret: secret.trim() };
  const tokens = sharedTokens(JSON.stringify([origin, identity]), () => new BearerTokens(() => grantedTo(origin, identity, deploymentId)));
  return {
    headersFor: () => {
      const token = tokens.get();
      return typeof token === 'string' ? bearer(token) : token.then(bearer);
    },
    renew: () => {
      tokens.renew();
      return true;
    },
    get secrets() {
      return [identity.secret, ...(tokens.known === undefined ? [] : [tokens.known])];
    },
  };
}

function bearer(token: string): readonly string[] {
  return ['authorization', `Bearer ${token}`];
}

async function grantedTo(
  origin: string,
  { client, secret }: { readonly client: string; readonly secret: string },
  deploymentId: string,
): Promise<AccessToken> {
  const answer = await fetch(`${origin}/oidc/v1/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${client}:${secret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials&scope=all-apis',
    redirect: 'error',
    signal: AbortSignal.timeout(FETCH_MS),
  });
  if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) {
    const remedy = 'correct DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET, or set api_key';
    throw new DeploymentFault(deploymentId, 'api_key', `Databricks did not issue a token (status ${answer.status})`, remedy);
  }
  if (!answer.ok) throw new Error(`Databricks answered the token request with ${answer.status}`);
  const { access_token: token, expires_in: seconds } = (await answer.json()) as {
    readonly access_token?: unknown;
    readonly expires_in?: unknown;
  };
  if (typeof token !== 'string' || token === '') throw new Error('the response from Databricks has no token');
  return { token, expiresAtMs: Date.now() + (typeof seconds === 'number' ? seconds : 3600) * 1000 };
}
