import { basicAuthorization } from '../../common/basic-authorization.js';
import { InvalidConfigurationError } from '../../common/errors.js';
import { checkKnownKeys, checkObject, checkString, joinPath } from '../../common/options.js';
import { proxiesIn, type Environment, type ProxyOptions } from './proxies.environment.js';

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
  readonly exceptions: readonly { readonly name: string; readonly port: string }[];
}

const KNOWN = ['http', 'https', 'noProxy'] as const satisfies readonly (keyof ProxyOptions)[];

/**
 * Reads the option, or the environment if there is none.
 * @throws InvalidConfigurationError naming the option or the variable, without its value.
 */
export function resolveProxies(option: unknown, env: Environment, path: string): Proxies {
  if (option === false) return proxiesOf({}, () => path);
  if (typeof option === 'string') return proxiesOf({ http: option, https: option }, () => path);
  if (option !== undefined) {
    const input = checkObject(path, option);
    checkKnownKeys(path, input, KNOWN);
    for (const key of KNOWN) if (input[key] !== undefined && input[key] !== '') checkString(joinPath(path, key), input[key]);
    return proxiesOf(input, (key) => joinPath(path, key));
  }
  const { options, names } = proxiesIn(env);
  return proxiesOf(options, (key) => names[key]);
}

/** The proxy of an endpoint, or `undefined` if it is reached directly. */
export function proxyFor({ protocol, hostname, port }: URL, proxies: Proxies): Proxy | undefined {
  const proxy = protocol === 'https:' ? proxies.https : proxies.http;
  if (proxy === undefined) return undefined;
  const ownPort = port || (protocol === 'https:' ? '443' : '80');
  const except = proxies.exceptions.some(
    ({ name, port: only }) => (only === '' || only === ownPort) && (name === '*' || hostname === name || hostname.endsWith(`.${name}`)),
  );
  return except ? undefined : proxy;
}

function proxiesOf({ http, https, noProxy }: ProxyOptions, path: (key: keyof ProxyOptions) => string): Proxies {
  return { http: proxyAt(path('http'), http), https: proxyAt(path('https'), https), exceptions: exceptionsOf(noProxy) };
}

function proxyAt(path: string, text: string | undefined): Proxy | undefined {
  if (text === undefined || text === '') return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new InvalidConfigurationError(path, 'must be a URL with http: or https:, such as http://proxy:8080');
  }
  const authorization = url.username === '' ? undefined : basicAuthorization(url);
  return { origin: new URL(url.origin), authorization };
}

function exceptionsOf(text = ''): Proxies['exceptions'] {
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
