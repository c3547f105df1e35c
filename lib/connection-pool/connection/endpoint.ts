import { InvalidArgumentError } from '../../common/errors.js';
import type { EndpointSlots } from '../pool/connection-table.js';
import type { Route, Routes } from './connector.js';
import type { PooledConnection } from './pooled-connection.js';
import { ReturningLine } from '../pool/returning-queue.js';

/** Ways of writing an endpoint, and endpoints without connections, that are remembered. */
const MOST_NAMES = 1024;

/** An origin that connections lead to. */
export class PoolEndpoint implements EndpointSlots<PooledConnection> {
  idle: PooledConnection | undefined = undefined;
  connections = 0;
  place = -1;
  /** Those who wait for a connection to it. */
  waiting = 0;
  /** Connections to it that come back by themselves. */
  readonly returning = new ReturningLine<PooledConnection>();

  constructor(
    readonly origin: string,
    readonly route: Route,
  ) {}
}

/** Finds the endpoint of a URL. */
export class Endpoints {
  private readonly byName = new Map<string, PoolEndpoint>();
  private readonly byOrigin = new Map<string, PoolEndpoint>();
  private lastName: string | undefined = undefined;
  private last: PoolEndpoint | undefined = undefined;

  constructor(private readonly routes: Routes) {}

  /**
   * The endpoint that a URL or an origin belongs to.
   * @throws InvalidArgumentError for what has no scheme, or another than `http:` and `https:`.
   */
  find(name: string): PoolEndpoint {
    const { last } = this;
    return last !== undefined && name === this.lastName ? last : this.look(name);
  }

  /** Those in use, and the last few that were. */
  all(): Iterable<PoolEndpoint> {
    return this.byOrigin.values();
  }

  private look(name: string): PoolEndpoint {
    const endpoint = this.byName.get(name) ?? this.read(name);
    this.lastName = name;
    this.last = endpoint;
    return endpoint;
  }

  private read(name: string): PoolEndpoint {
    const url = originOf(name);
    let endpoint = this.byOrigin.get(url.origin);
    if (endpoint === undefined) {
      if (this.byOrigin.size >= MOST_NAMES) this.forgetUnused();
      endpoint = new PoolEndpoint(url.origin, this.routes.to(url));
      this.byOrigin.set(url.origin, endpoint);
    }
    if (this.byName.size >= MOST_NAMES) this.byName.clear();
    this.byName.set(name, endpoint);
    return endpoint;
  }

  private forgetUnused(): void {
    for (const [origin, endpoint] of this.byOrigin) {
      if (endpoint.connections === 0 && endpoint.waiting === 0) this.byOrigin.delete(origin);
    }
    // Names of what is gone.
    this.byName.clear();
    this.last = undefined;
  }
}

function originOf(name: unknown): URL {
  const rule = 'must be a URL or an origin with http: or https:, such as https://api.openai.com';
  if (typeof name !== 'string') throw new InvalidArgumentError('endpoint', name, rule);
  const url = URL.canParse(name) ? new URL(name) : undefined;
  if (url !== undefined && (url.protocol === 'http:' || url.protocol === 'https:')) return new URL(url.origin);
  // Before an @ there may be a password.
  throw new InvalidArgumentError('endpoint', name.includes('@') ? `…${name.slice(name.lastIndexOf('@'))}` : name, rule);
}
