import { InvalidArgumentError } from '../../common/errors.js';
import type { AddressGuard } from '../connection/address-guard.js';
import type { ConnectionTarget, Route, Routes } from '../connection/connector.js';
import type { PooledConnection } from '../connection/pooled-connection.js';
import type { EndpointEntry } from './connection-table.js';
import { ReturningQueue } from './returning-queue.js';

/**
 * Bounds the spellings of endpoints that are cached, and the endpoints that are kept without
 * connections.
 */
const MOST_NAMES = 1024;

/**
 * Ends the name of an endpoint whose connections go only to public addresses and to those that the
 * app allows: `https://api.example.com#guarded`. It shares no connections with the plain one.
 */
export const GUARDED = '#guarded';

/** A connection of a pool, to one of its endpoints. */
export type PoolConnection = PooledConnection<PoolEndpoint>;

/** An origin, with the state of the connections to it. */
export class PoolEndpoint implements ConnectionTarget, EndpointEntry<PoolConnection> {
  idle: PoolConnection | undefined = undefined;
  connections = 0;
  place = -1;
  /** Waiters for a connection to it. */
  waiting = 0;
  /** Connections that are returned when their answers are complete. */
  readonly returning = new ReturningQueue<PoolConnection>();

  constructor(
    readonly origin: string,
    readonly route: Route,
  ) {}
}

/** Finds the endpoint of a URL. */
export class Endpoints {
  private readonly byName = new Map<string, PoolEndpoint>();
  private readonly byOrigin = new Map<string, PoolEndpoint>();

  constructor(private readonly routes: Routes) {}

  /**
   * The endpoint of a URL or an origin.
   * @throws InvalidArgumentError for a name without `http:` or `https:`.
   */
  find(name: string): PoolEndpoint {
    return this.byName.get(name) ?? this.read(name);
  }

  /** Has guarded endpoints use these rules, from their next connection on. */
  useGuard(guard: AddressGuard): void {
    this.routes.givenGuard = guard;
  }

  all(): Iterable<PoolEndpoint> {
    return this.byOrigin.values();
  }

  private read(name: string): PoolEndpoint {
    const url = originOf(name);
    const isGuarded = name.endsWith(GUARDED);
    const key = isGuarded ? url.origin + GUARDED : url.origin;
    let endpoint = this.byOrigin.get(key);
    if (endpoint === undefined) {
      if (this.byOrigin.size >= MOST_NAMES) this.forgetUnused();
      endpoint = new PoolEndpoint(url.origin, isGuarded ? this.routes.guardedTo(url) : this.routes.to(url));
      this.byOrigin.set(key, endpoint);
    }
    if (this.byName.size >= MOST_NAMES) this.byName.clear();
    this.byName.set(name, endpoint);
    return endpoint;
  }

  private forgetUnused(): void {
    for (const [origin, endpoint] of this.byOrigin) {
      if (endpoint.connections === 0 && endpoint.waiting === 0) this.byOrigin.delete(origin);
    }
    this.byName.clear();
  }
}

function originOf(name: unknown): URL {
  const rule = 'must be an http:// or https:// URL or origin, such as https://api.openai.com';
  if (typeof name !== 'string') throw new InvalidArgumentError('endpoint', name, rule);
  const url = URL.canParse(name) ? new URL(name) : undefined;
  if (url !== undefined && (url.protocol === 'http:' || url.protocol === 'https:')) return new URL(url.origin);
  // The part before an @ can contain a password.
  throw new InvalidArgumentError('endpoint', name.includes('@') ? `…${name.slice(name.lastIndexOf('@'))}` : name, rule);
}
