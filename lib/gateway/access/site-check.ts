import type { HttpException } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { gatewayError } from '../errors.js';
import { isCrossSite, isForeignHost } from './cross-site.js';

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
  if (!isCrossSite(method, headers)) return undefined;
  const allowed = corsOrigin();
  if (allowed === '*' || (headers.origin !== undefined && allowed === headers.origin)) return undefined;
  const message = 'Cross-site requests are not allowed; the operator can allow the site with CORS.';
  return gatewayError(403, 'cross_site_request', message);
}
