import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { RequestContext } from '../../http/request-context.js';
import type { HttpResponse } from '../../http/response-end.js';
import { checkModelAccess } from '../../keys/model-access.js';
import { gatewayError } from '../errors.js';
import { contentTypeFault } from '../body/content-type.js';
import { GATEWAY_DESK, type GatewayDesk } from '../gateway.desk.js';
import { GATEWAY_ROUTE, type MountedRoute } from '../routes/mounted-route.js';
import { isCrossSite, isForeignHost } from './cross-site.js';
import { keyFaultOf } from './key-check.js';

interface Asked {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body?: unknown;
}

/** Express's response, or Fastify's reply. */
interface Answering {
  getHeader(name: string): unknown;
  readonly raw?: ServerResponse;
}

/**
 * Rejects requests without a valid key, if keys are asked for, other types of bodies than JSON, and
 * what a browser sends for a page of another site
 * unless the app's CORS has allowed it: a gateway on a developer's machine has no key, and a form
 * or script of any site could use it.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(@Inject(GATEWAY_DESK) private readonly desk: GatewayDesk) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<Asked>();
    const { method, headers } = request;
    const { allowedHosts } = this.desk.options;
    if (allowedHosts !== null && isForeignHost(headers.host, allowedHosts)) {
      throw gatewayError(403, 'host_not_allowed', 'The gateway is not known by this host; its operator can allow it.');
    }
    if (isCrossSite(method, headers) && !isAllowedByCors(headers, http.getResponse<Answering>())) {
      const message = 'Requests from pages of other sites are not allowed; the operator can allow the site by CORS.';
      throw gatewayError(403, 'cross_site_request', message);
    }
    const keyFault = await keyFaultOf(this.desk, request);
    if (keyFault !== undefined) throw keyFault;
    const { route } = Reflect.getMetadata(GATEWAY_ROUTE, context.getHandler()) as MountedRoute;
    const fault = contentTypeFault(headers, route.body);
    if (fault !== undefined) throw fault;
    if (this.desk.budget !== null) RequestContext.of(request).shared = this.desk.budget;
    const principal = RequestContext.principalOf(request);
    if (principal === undefined) return true;
    checkModelAccess(principal, request.body);
    this.desk.keys?.countSpending({ request, response: http.getResponse<HttpResponse>() });
    return true;
  }
}

/** The app's CORS has run before, and set its header for the origins that it allows. */
function isAllowedByCors({ origin }: IncomingHttpHeaders, response: Answering): boolean {
  const allowed = response.getHeader('access-control-allow-origin') ?? response.raw?.getHeader('access-control-allow-origin');
  return allowed === '*' || (origin !== undefined && allowed === origin);
}
