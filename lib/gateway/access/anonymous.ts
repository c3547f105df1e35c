import type { IncomingHttpHeaders } from 'node:http';
import { addressKey } from '../../http/guard/client-key.js';
import { MAY_CALL_ANY, type Principal } from '../../http/principal.js';

const LOOPBACK = /^(?:(?:::ffff:)?127\.|::1$)/i;
/** Headers that proxies add: then the address of the connection is theirs, not the client's. */
const OF_PROXIES = ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip', 'x-forwarded-host', 'x-forwarded-proto'] as const;

/** A request of Node, Express or Fastify. */
export interface KeyedRequest {
  readonly headers: IncomingHttpHeaders;
  readonly socket?: { readonly remoteAddress?: string };
}

/** A client without a key. Counts by its address: it could send a new key with each request. */
export class AnonymousPrincipal implements Principal {
  readonly limitKey: string;
  readonly tags = [];
  readonly metadata = {};
  readonly isAdmin = false;
  readonly mayCall = MAY_CALL_ANY;

  constructor(address: string | undefined) {
    this.limitKey = addressKey(address);
  }
}

/**
 * The client of a request on this machine, which needs no key; `undefined` for others, and for
 * those of a proxy on this machine.
 * @param isOpenToAll Whether clients elsewhere need none either.
 */
export function anonymousPrincipal({ headers, socket }: KeyedRequest, isOpenToAll: boolean): Principal | undefined {
  const address = socket?.remoteAddress;
  const isServed = isOpenToAll || (LOOPBACK.test(address ?? '') && OF_PROXIES.every((name) => headers[name] === undefined));
  return isServed ? new AnonymousPrincipal(address) : undefined;
}
