import { principalOf } from 'nestjs-fast-litellm';
import type { IncomingHttpHeaders } from 'node:http';

export type Tier = 'free' | 'pro';

/** The client of a request, as the front door or its API key identified it. */
export interface Visitor {
  readonly tier: Tier;
  /** Under which a client with a known key counts. Other clients count by address. */
  readonly key?: string;
  /** Whether `/health` may show deployments. */
  readonly seesDetails: boolean;
}

const STRANGER: Visitor = { tier: 'free', seesDetails: false };
/** Clients by their headers object, which Fastify's request, Node's and a middleware's share. */
const visitors = new WeakMap<IncomingHttpHeaders, Visitor>();

export function remember(headers: IncomingHttpHeaders, visitor: Visitor): void {
  visitors.set(headers, visitor);
}

export function visitorOf(request: { readonly headers: IncomingHttpHeaders }): Visitor {
  const visitor = visitors.get(request.headers) ?? STRANGER;
  const principal = principalOf(request);
  return principal === undefined ? visitor : { ...visitor, tier: 'pro', key: principal.limitKey };
}
