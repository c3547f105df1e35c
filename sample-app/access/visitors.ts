import type { IncomingHttpHeaders } from 'node:http';

export type Tier = 'free' | 'pro';

/** What the front door has found out about who sends a request. */
export interface Visitor {
  readonly tier: Tier;
  /** What a client with a known key is counted as: the key's hash. Others are counted by their address. */
  readonly key?: string;
  /** Whether health may name deployments. */
  readonly seesDetails: boolean;
}

const STRANGER: Visitor = { tier: 'free', seesDetails: false };
/** By the headers, which Fastify's request, Node's and a middleware's have in common. */
const visitors = new WeakMap<IncomingHttpHeaders, Visitor>();

export function remember(headers: IncomingHttpHeaders, visitor: Visitor): void {
  visitors.set(headers, visitor);
}

export function visitorOf({ headers }: { readonly headers: IncomingHttpHeaders }): Visitor {
  return visitors.get(headers) ?? STRANGER;
}
