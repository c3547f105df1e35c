import type { HttpException } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { ApiKeyError } from '../../common/http-errors.js';
import { MASTER_PRINCIPAL } from '../../http/principal.js';
import type { RequestContext } from '../../http/request-context.js';
import { gatewayError } from '../errors.js';
import type { GatewayContext } from '../gateway.context.js';
import { anonymousPrincipal, type KeyedRequest } from './anonymous.js';

const ONLY_HERE = 'This gateway has no master key, so it only accepts clients on the same machine that connect without a proxy.';
const SCHEME_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };
/** A dot and a top-level domain, as the names of web sites have. */
const SITE_NAME = /\.[a-z][a-z0-9-]*\.?$/;

/**
 * Checks the key of a request and, if it is valid, sets the sender. With `keys`, a request that the
 * app has authenticated before (`setPrincipal`) needs none.
 */
export async function keyFaultOf(
  { keys, masterKey, openTo }: Pick<GatewayContext, 'keys' | 'masterKey' | 'openTo'>,
  request: KeyedRequest,
  state: RequestContext,
): Promise<Error | undefined> {
  if (openTo !== null) {
    state.principal ??= anonymousPrincipal(request, openTo === 'all');
    if (state.principal !== undefined) return undefined;
  }
  if (keys === null) {
    if (openTo !== null) return gatewayError(401, 'invalid_api_key', ONLY_HERE);
    const fault = masterKey?.faultIn(request.headers);
    // Limits are charged to the verified key, regardless of other headers.
    if (masterKey !== null && fault === undefined) state.principal ??= MASTER_PRINCIPAL;
    return fault;
  }
  try {
    state.principal ??= await keys.authenticate(request.headers);
    return undefined;
  } catch (error) {
    if (error instanceof ApiKeyError) return error;
    throw error;
  }
}

/** The parts of a request that name its site. */
export interface SiteRequest {
  readonly method?: string;
  readonly headers: IncomingHttpHeaders;
}

/**
 * Why a browser's request is denied: it names this server by a host that is not allowed, or comes
 * from a page of another site. A gateway on a developer's machine can have no key, and a form or
 * script of any site could use it.
 *
 * @param allowedHosts In lower case; `null`: any.
 * @param corsOrigin The header `Access-Control-Allow-Origin` that the app's CORS has set.
 */
export function siteFaultOf(
  { method = 'GET', headers }: SiteRequest,
  allowedHosts: readonly string[] | null,
  corsOrigin: () => unknown,
): HttpException | undefined {
  if (allowedHosts !== null && isForeignHost(headers.host, allowedHosts)) {
    return gatewayError(403, 'host_not_allowed', 'This host is not allowed; the operator can add it to the allowed hosts.');
  }
  // Programs send no site.
  if (headers['sec-fetch-site'] === undefined && headers.origin === undefined) return undefined;
  if (!isCrossSite(method, headers)) return undefined;
  const allowed = corsOrigin();
  if (allowed === '*' || (headers.origin !== undefined && allowed === headers.origin)) return undefined;
  const message = 'Cross-site requests are not allowed; the operator can allow the site with CORS.';
  return gatewayError(403, 'cross_site_request', message);
}

/**
 * Returns whether a browser sent the request from a page of another site. Checks `Sec-Fetch-Site`
 * or, over plain HTTP, where browsers omit it, compares `Origin` with the host. Programs send
 * neither. A followed link does not count as cross-site.
 */
export function isCrossSite(method: string, headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin' && site !== 'none' && !isNavigation(method, headers);
  const { origin } = headers;
  return origin !== undefined && !isOwn(origin, headers.host);
}

/**
 * Returns whether `Host` could be another site's name that resolves to this machine (DNS
 * rebinding).
 * @param hosts names of this server, in lower case
 */
export function isForeignHost(host: string | undefined, hosts: readonly string[]): boolean {
  const name = (host ?? '').replace(/:\d*$/, '').toLowerCase();
  // Addresses, `localhost` and other names without a dot cannot belong to a web site.
  const isSite = SITE_NAME.test(name) && !name.endsWith('.localhost');
  return isSite && !hosts.includes(name);
}

function isNavigation(method: string, headers: IncomingHttpHeaders): boolean {
  return method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
}

function isOwn(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const url = new URL(origin);
  const asked = host.toLowerCase();
  return url.host !== '' && (url.host === asked || `${url.host}:${SCHEME_PORTS[url.protocol]}` === asked);
}
