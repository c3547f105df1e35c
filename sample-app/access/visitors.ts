import type { IncomingHttpHeaders } from 'node:http';

export type Tier = 'free' | 'pro';

/** The client of a request, as the front door identified it. */
export interface Visitor {
  readonly tier: Tier;
  /** Hash of a known key, under which the client counts. Other clients count by address. */
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

export function visitorOf({ headers }: { readonly headers: IncomingHttpHeaders }): Visitor {
  return visitors.get(headers) ?? STRANGER;
}
