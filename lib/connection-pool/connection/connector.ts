import type { Socket } from 'node:net';
import { buildConnector, Client, type Dispatcher } from 'undici';
import { ProxyRefusedError } from '../../common/errors.js';
import type { ResolvedConnectionPoolOptions } from '../connection-pool.options.js';
import { proxyFor, type Proxy } from './proxies.js';

/** Opens a socket to one endpoint. Returns the one it is about to connect, where there is one already. */
export type Connect = (servername: string | undefined, callback: buildConnector.Callback) => Socket | undefined;

/** How requests get to one endpoint. */
export interface Route {
  readonly connect: Connect;
  /** What goes before each path: through a plain proxy a request names its origin. */
  readonly prefix: string;
  readonly proxyAuthorization: string | undefined;
}

/** Connectors of undici return their socket, which their declaration does not tell. */
type Connector = (options: buildConnector.Options, callback: buildConnector.Callback) => Socket;

/** Finds the routes of a pool; TLS sessions are shared by its connections. */
export class Routes {
  private readonly direct: Connector;
  private readonly toProxy: Connector;

  constructor(private readonly options: ResolvedConnectionPoolOptions) {
    const { connectTimeoutMs: timeout, tls } = options;
    const build = (more: object): Connector => buildConnector({ autoSelectFamily: true, ...more, timeout }) as Connector;
    this.direct = build(tls);
    // What is said of the endpoints' names and keys is not meant for a proxy; who may be trusted is.
    this.toProxy = build({ ca: tls.ca, rejectUnauthorized: tls.rejectUnauthorized });
  }

  to(endpoint: URL): Route {
    const proxy = proxyFor(endpoint, this.options.proxies);
    if (proxy === undefined) return { connect: directly(this.direct, endpoint), prefix: '', proxyAuthorization: undefined };
    if (endpoint.protocol === 'http:') {
      return { connect: directly(this.toProxy, proxy.origin), prefix: endpoint.origin, proxyAuthorization: proxy.authorization };
    }
    return { connect: this.tunnel(endpoint, proxy), prefix: '', proxyAuthorization: undefined };
  }

  private tunnel(endpoint: URL, { origin, authorization }: Proxy): Connect {
    const { connectTimeoutMs } = this.options;
    const target = `${endpoint.hostname}:${endpoint.port || '443'}`;
    const headers = { host: target, ...(authorization !== undefined && { 'proxy-authorization': authorization }) };
    return (servername, callback) => {
      let attempt: Socket | undefined;
      const connect = (...to: Parameters<Connector>): void => void (attempt = this.toProxy(...to));
      const client = new Client(origin, { connect, headersTimeout: connectTimeoutMs });
      client.connect({ path: target, headers }).then(
        ({ statusCode, socket }) => {
          // From here on the socket is no longer the client's.
          void client.close();
          if (statusCode === 200) {
            const secured = this.direct({ ...addressOf(endpoint), servername, httpSocket: socket as Socket }, callback);
            // Of its own it would only hear that the tunnel is closed, and not tell.
            socket.once('error', (error) => secured.destroy(error));
            return;
          }
          socket.on('error', () => {}).destroy();
          callback(new ProxyRefusedError(statusCode), null);
        },
        (error: unknown) => {
          void client.destroy();
          callback(error as Error, null);
        },
      );
      // Closed by who opens it, it ends everything that goes over it.
      return attempt;
    };
  }
}

/** The request as the route's next hop has to see it. */
export function routedBy<T extends Dispatcher.DispatchOptions>({ prefix, proxyAuthorization }: Route, options: T): T {
  if (prefix === '') return options;
  const headers =
    proxyAuthorization === undefined ? options.headers : withHeader(options.headers, 'proxy-authorization', proxyAuthorization);
  return { ...options, path: prefix + options.path, headers };
}

function withHeader(headers: Dispatcher.DispatchOptions['headers'], name: string, value: string): Dispatcher.DispatchOptions['headers'] {
  if (headers === null || headers === undefined) return { [name]: value };
  if (Array.isArray(headers)) return [...headers, name, value];
  // A list of names and values is what undici takes of an array.
  if (Symbol.iterator in headers) return [...[...(headers as Iterable<[string, string]>)].flat(), name, value];
  return { ...headers, [name]: value };
}

function directly(connector: Connector, to: URL): Connect {
  const address = addressOf(to);
  return (servername, callback) => connector(servername === undefined ? address : { ...address, servername }, callback);
}

function addressOf({ host, hostname, protocol, port }: URL): buildConnector.Options {
  // A socket takes an IPv6 address without its brackets.
  return { host, hostname: hostname.replace(/^\[(.*)\]$/, '$1'), protocol, port };
}
