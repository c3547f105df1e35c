import type { Socket } from 'node:net';
import type { buildConnector, Dispatcher } from 'undici';
import { undici } from './undici.js';
import { ProxyRefusedError } from '../../common/errors.js';
import { lazy } from '../../common/lazy.js';
import type { ResolvedConnectionPoolOptions } from '../connection-pool.options.js';
import type * as Guarding from './address-guard.js';
import type { AddressGuard } from './address-guard.js';
import { proxyFor, type Proxy } from './proxies.js';

/**
 * Opens a socket to one endpoint. Returns the socket that is about to connect, if there is one
 * already.
 */
export type Connect = (servername: string | undefined, callback: buildConnector.Callback) => Socket | undefined;

/** How requests reach one endpoint. */
export interface Route {
  readonly connect: Connect;
  /** Prefix of each path: a request through a plain proxy names its origin. */
  readonly prefix: string;
  readonly proxyAuthorization: string | undefined;
}

/** Destination of connections. */
export interface ConnectionTarget {
  readonly origin: string;
  readonly route: Route;
}

const guarding = lazy(() => require('./address-guard.js') as typeof Guarding);

/** undici's connectors return their socket; their type declaration leaves it out. */
type Connector = (options: buildConnector.Options, callback: buildConnector.Callback) => Socket;

/** The routes of a pool. Its connections share TLS sessions. */
export class Routes {
  /** Checks the addresses of guarded connections. Default: only public ones are allowed. */
  givenGuard: AddressGuard | undefined = undefined;
  private builtGuarded: Connector | undefined = undefined;
  private builtDirect: Connector | undefined = undefined;
  private builtToProxy: Connector | undefined = undefined;

  constructor(private readonly options: ResolvedConnectionPoolOptions) {}

  private get direct(): Connector {
    return (this.builtDirect ??= this.build(this.options.tls));
  }

  private get guard(): AddressGuard {
    return (this.givenGuard ??= new (guarding().AddressGuard)());
  }

  private get guarded(): Connector {
    const lookup: AddressGuard['lookup'] = (...asked) => this.guard.lookup(...asked);
    return (this.builtGuarded ??= this.build({ ...this.options.tls, lookup }));
  }

  private get toProxy(): Connector {
    // The names and keys of endpoints do not apply to a proxy; the trusted authorities do.
    const { ca, rejectUnauthorized } = this.options.tls;
    return (this.builtToProxy ??= this.build({ ca, rejectUnauthorized }));
  }

  /** As `to`, for an endpoint that may only have public or allowed addresses. */
  guardedTo(endpoint: URL): Route {
    const { hostname } = endpoint;
    if (proxyFor(endpoint, this.options.proxies) === undefined) {
      const connect = directly(this.guarded, endpoint);
      return { connect: this.unlessRefused(hostname, connect), prefix: '', proxyAuthorization: undefined };
    }
    // The proxy resolves the name; one that this machine resolves to a private address is denied.
    const route = this.to(endpoint);
    const connect: Connect = (servername, callback) => {
      void this.guard.check(hostname).then((refusal) => {
        if (refusal === undefined) route.connect(servername, callback);
        else callback(refusal, null);
      });
      return undefined;
    };
    return { ...route, connect };
  }

  to(endpoint: URL): Route {
    const proxy = proxyFor(endpoint, this.options.proxies);
    if (proxy === undefined) return { connect: directly(this.direct, endpoint), prefix: '', proxyAuthorization: undefined };
    if (endpoint.protocol === 'http:') {
      return { connect: directly(this.toProxy, proxy.origin), prefix: endpoint.origin, proxyAuthorization: proxy.authorization };
    }
    return { connect: this.tunnel(endpoint, proxy), prefix: '', proxyAuthorization: undefined };
  }

  /** Sockets do not look up an address that is written as one. */
  private unlessRefused(hostname: string, connect: Connect): Connect {
    return (servername, callback) => {
      const refusal = this.guard.refusalOf(hostname);
      if (refusal === undefined) return connect(servername, callback);
      queueMicrotask(() => callback(refusal, null));
      return undefined;
    };
  }

  private build(tls: object): Connector {
    return undici().buildConnector({ autoSelectFamily: true, ...tls, timeout: this.options.connectTimeoutMs }) as Connector;
  }

  private tunnel(endpoint: URL, { origin, authorization }: Proxy): Connect {
    const { connectTimeoutMs } = this.options;
    const target = `${endpoint.hostname}:${endpoint.port || '443'}`;
    const headers = { host: target, ...(authorization !== undefined && { 'proxy-authorization': authorization }) };
    return (servername, callback) => {
      let attempt: Socket | undefined;
      const connect = (...to: Parameters<Connector>): void => void (attempt = this.toProxy(...to));
      const client = new (undici().Client)(origin, { connect, headersTimeout: connectTimeoutMs });
      client.connect({ path: target, headers }).then(
        ({ statusCode, socket }) => {
          // The client no longer owns the socket.
          void client.close();
          if (statusCode === 200) {
            const secured = this.direct({ ...addressOf(endpoint), servername, httpSocket: socket as Socket }, callback);
            // The TLS socket does not report an error of the tunnel by itself.
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
      // Destroying it ends the tunnel that is being opened over it.
      return attempt;
    };
  }
}

/** The request as a plain proxy expects it. */
export function routedBy<T extends Dispatcher.DispatchOptions>({ prefix, proxyAuthorization }: Route, options: T): T {
  const headers =
    proxyAuthorization === undefined ? options.headers : withHeader(options.headers, 'proxy-authorization', proxyAuthorization);
  return { ...options, path: prefix + options.path, headers };
}

function withHeader(headers: Dispatcher.DispatchOptions['headers'], name: string, value: string): Dispatcher.DispatchOptions['headers'] {
  if (headers === null || headers === undefined) return { [name]: value };
  if (Array.isArray(headers)) return [...headers, name, value];
  // undici reads an array as alternating names and values.
  if (Symbol.iterator in headers) return [...[...(headers as Iterable<[string, string]>)].flat(), name, value];
  return { ...headers, [name]: value };
}

function directly(connector: Connector, to: URL): Connect {
  const address = addressOf(to);
  return (servername, callback) => connector(servername === undefined ? address : { ...address, servername }, callback);
}

function addressOf({ host, hostname, protocol, port }: URL): buildConnector.Options {
  // Sockets take IPv6 addresses without brackets.
  return { host, hostname: hostname.replace(/^\[(.*)\]$/, '$1'), protocol, port };
}
