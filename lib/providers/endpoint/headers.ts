import { basicAuthorization, decoded } from '../../common/basic-authorization.js';
import { DeploymentFault } from './deployment-fault.js';
import type { ProviderAddress } from './address.js';

/** The part of `litellm_params` that becomes headers, besides the key. */
export interface HeaderParams {
  readonly organization?: unknown;
  readonly default_headers?: unknown;
  readonly headers?: unknown;
  readonly extra_headers?: unknown;
}

/** A key or, at Azure, a token. */
export interface Credentials {
  readonly key: string | undefined;
  readonly token: string | undefined;
}

const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const SECRET_NAME = /\bauth\b|authorization|cookie|credential|password|api-?key|secret|-key$|token$/;
const SECRET_PARAMETER = /key|token|secret|sig|code|password/i;
/** Headers of the connection: undici rejects requests that set them. */
const OF_CONNECTION = new Set(['content-length', 'transfer-encoding', 'keep-alive', 'upgrade', 'expect']);
/** Anthropic's tokens of persons: they are not API keys. */
const ANTHROPIC_TOKEN = /^sk-ant-oat/;
const ANTHROPIC_TOKEN_BETA = 'oauth-2025-04-20';
/** A list: the deployment's values are added to those that its key needs. */
const BETAS = 'anthropic-beta';
const SCHEME = /^(?:basic|bearer) +/i;

/**
 * Returns names and values in turns, as undici takes them; the last value of a name wins.
 * @throws DeploymentFault for an invalid header, without its value: it may be a key.
 */
export function headersOf(
  params: HeaderParams,
  { url, keyHeader }: ProviderAddress,
  { key, token }: Credentials,
  deploymentId: string,
): readonly string[] {
  const headers = new Map([['content-type', 'application/json']]);
  const set = (path: string, name: string, value: string): void => {
    if (OF_CONNECTION.has(name) || (name === 'connection' && !/^(?:close|keep-alive)$/i.test(value)))
      throw new DeploymentFault(deploymentId, path, 'must not be set, because the client sets it for each connection', 'remove the header');
    if (NAME.test(name) && VALUE.test(value))
      headers.set(name, name === BETAS && headers.has(name) ? `${headers.get(name)},${value}` : value);
    else throw new DeploymentFault(deploymentId, path, 'must be a valid header value', '');
  };
  if (url.username !== '' || url.password !== '') set('api_base', 'authorization', basicAuthorization(url));
  else if (ANTHROPIC_TOKEN.test(key ?? token ?? '')) {
    set('api_key', 'authorization', `Bearer ${key ?? token}`);
    set('api_key', BETAS, ANTHROPIC_TOKEN_BETA);
  } else if (key !== undefined) set('api_key', keyHeader ?? 'authorization', keyHeader === undefined ? `Bearer ${key}` : key);
  else if (token !== undefined) set('azure_ad_token', 'authorization', `Bearer ${token}`);
  const { organization } = params;
  if (typeof organization === 'string' && organization !== '') set('organization', 'openai-organization', organization);
  for (const part of ['default_headers', 'headers', 'extra_headers'] as const) {
    const more = params[part];
    if (typeof more !== 'object' || more === null) continue;
    for (const [name, value] of Object.entries(more)) {
      if (typeof value === 'object' && value !== null) throw new DeploymentFault(deploymentId, `${part}.${name}`, 'must be a string', '');
      if (value !== undefined && value !== null) set(`${part}.${name}`, name.toLowerCase(), String(value));
    }
  }
  return [...headers].flat();
}

/** The secrets in an address's query: some providers take a key there. */
export function secretsInQuery({ searchParams }: URL): string[] {
  return [...searchParams].filter(([name]) => SECRET_PARAMETER.test(name)).map(([, value]) => value);
}

/** The secrets in an address's login, as written and as sent. A user alone is an API key. */
export function secretsInLogin({ username, password }: URL): string[] {
  const secret = password === '' ? username : password;
  return [secret, decoded(secret)];
}

/** The secrets in the headers. */
export function secretsIn(headers: readonly string[]): string[] {
  const values = headers.filter((_, at) => at % 2 === 1 && SECRET_NAME.test(headers[at - 1]));
  return values.map((value) => value.replace(SCHEME, ''));
}

/** Whether a deployment has secrets in headers of its own. */
export function hasSecretHeaders({ default_headers, headers, extra_headers }: HeaderParams): boolean {
  const names = [default_headers, headers, extra_headers].flatMap((part) =>
    typeof part === 'object' && part !== null ? Object.keys(part) : [],
  );
  return names.some((name) => SECRET_NAME.test(name.toLowerCase()));
}

/** Whether a request has credentials, in any header or parameter. */
export function hasCredentials(headers: readonly string[], url: URL): boolean {
  return secretsIn(headers).some((secret) => secret !== '') || secretsInQuery(url).length > 0;
}
