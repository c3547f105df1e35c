import { basicAuthorization } from '../../common/basic-authorization.js';
import { InvalidConfigurationError } from '../../common/errors.js';
import { custom, resolveOptions, type OptionsOf } from '../../common/option.js';
import { checkString } from '../../common/options.js';

/** A proxy and its credentials. */
export interface Proxy {
  readonly origin: URL;
  /** The value of `proxy-authorization`. */
  readonly authorization: string | undefined;
}

/** The proxies of a pool. */
export interface Proxies {
  readonly http: Proxy | undefined;
  readonly https: Proxy | undefined;
  /** Hosts that are reached directly. */
  readonly noProxy: readonly { readonly name: string; readonly port: string }[];
}

export const PROXY = {
  /** Proxy for `http:` endpoints: receives requests with the full URL. Default: none. */
  http: custom<string, Proxy | undefined>('URL', checkProxy),
  /** Proxy for `https:` endpoints: requests go through a tunnel. Default: none. */
  https: custom<string, Proxy | undefined>('URL', checkProxy),
  /**
   * Hosts to reach without a proxy, separated by commas, as in `NO_PROXY`; `*` means all. Default:
   * none.
   */
  noProxy: custom<string, Proxies['noProxy']>('string', checkExceptions, []),
};

/**
 * Proxies for the connections of the pool. User and password of a URL become
 * `proxy-authorization`, which is never logged.
 */
export interface ProxyOptions extends OptionsOf<typeof PROXY> {}

/**
 * Reads the option: a URL for all endpoints, proxies by protocol, or `false`.
 * @throws InvalidConfigurationError naming the option, without its value.
 */
export function checkProxies(path: string, value: unknown): Proxies {
  if (value === false) return resolveOptions(PROXY, path);
  if (typeof value !== 'string') return resolveOptions(PROXY, path, value);
  const proxy = checkProxy(path, value);
  return { http: proxy, https: proxy, noProxy: [] };
}

/**
 * Reads the variables of the environment; lower-case names take precedence.
 * @throws InvalidConfigurationError naming the variable, without its value.
 */
export function proxiesOfEnvironment(env: Readonly<Record<string, string | undefined>>): Proxies {
  const read = <T>(name: string, check: (path: string, value: unknown) => T): T => {
    const variable = env[name] === undefined ? name.toUpperCase() : name;
    return check(variable, env[variable] ?? '');
  };
  return {
    http: read('http_proxy', checkProxy),
    https: read('https_proxy', checkProxy),
    noProxy: read('no_proxy', checkExceptions),
  };
}

/** The proxy of an endpoint, or `undefined` if it is reached directly. */
export function proxyFor({ protocol, hostname, port }: URL, proxies: Proxies): Proxy | undefined {
  const proxy = protocol === 'https:' ? proxies.https : proxies.http;
  if (proxy === undefined) return undefined;
  const ownPort = port || (protocol === 'https:' ? '443' : '80');
  const except = proxies.noProxy.some(
    ({ name, port: only }) => (only === '' || only === ownPort) && (name === '*' || hostname === name || hostname.endsWith(`.${name}`)),
  );
  return except ? undefined : proxy;
}

/** An empty text is not a proxy. */
function checkProxy(path: string, value: unknown): Proxy | undefined {
  if (value === '') return undefined;
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new InvalidConfigurationError(path, 'must be an http:// or https:// URL, such as http://proxy:8080');
  }
  const authorization = url.username === '' ? undefined : basicAuthorization(url);
  return { origin: new URL(url.origin), authorization };
}

function checkExceptions(path: string, value: unknown): Proxies['noProxy'] {
  const text = value === '' ? '' : checkString(path, value);
  return text
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .map((entry) => {
      const { host = entry, port = '' } = /^(?<host>\[.*\]|[^:]+):(?<port>\d+)$/.exec(entry)?.groups ?? {};
      const name = host.replace(/^\*?\./, '').toLowerCase();
      // A URL has an IPv6 address in brackets.
      return { name: name.includes(':') && !name.startsWith('[') ? `[${name}]` : name, port };
    });
}
