import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { ApiKeyError } from '../../common/http-errors.js';
import { MAY_CALL_ANY } from '../../http/principal.js';
import { RequestContext, type HttpResponse } from '../../http/request-context.js';
import { resolveModelAlias } from '../../http/model-aliases.js';
import { checkModelAccess } from '../../keys/model-access.js';
import { contentTypeFault } from '../body/request-body.js';
import { GATEWAY_CONTEXT, type GatewayContext } from '../gateway.context.js';
import { GATEWAY_ROUTE, type MountedRoute } from '../routes/mounted-route.js';
import type { OwnRequest } from '../routes/route.js';
import type { KeyedRequest } from './anonymous.js';
import { keyFaultOf, siteFaultOf } from './checks.js';
import { takeQueryKey } from './query-key.js';

type Asked = KeyedRequest & OwnRequest;

/** Express's response, or Fastify's reply. */
interface Answering {
  getHeader(name: string): unknown;
  readonly raw?: ServerResponse;
}

/**
 * Rejects requests without a valid key, if the gateway requires one, bodies of other types than its
 * routes read, and requests from pages of other sites unless the app's CORS allows them.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(@Inject(GATEWAY_CONTEXT) private readonly gateway: GatewayContext) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<Asked>();
    const state = RequestContext.of(request);
    const mounted = Reflect.getMetadata(GATEWAY_ROUTE, context.getHandler()) as MountedRoute;
    const isChecked = state.checkedRoute === mounted;
    if (mounted.route.api === 'google') takeQueryKey(request);
    if (!state.isAdmitted) {
      const denial =
        siteFaultOf(request, this.gateway.options.allowedHosts, () => corsOriginOf(http.getResponse<Answering>())) ??
        (isChecked ? undefined : await keyFaultOf(this.gateway, request, state));
      if (denial !== undefined) throw denial;
    }
    const fault = isChecked ? undefined : contentTypeFault(request.headers, mounted.route.body);
    if (fault !== undefined) throw fault;
    if (this.gateway.budget !== null) state.shared = this.gateway.budget;
    const { principal } = state;
    const { route } = mounted;
    if (principal?.mayRequest !== undefined) {
      const { mayRequest } = principal;
      const isAllowed = route.allowedAs === undefined ? mayRequest(route.path) : route.allowedAs(request).some((path) => mayRequest(path));
      if (!isAllowed) throw new ApiKeyError('route_not_allowed');
    }
    if (route.prepare !== undefined) await route.prepare(request);
    if (principal === undefined) return true;
    if (principal.modelAliases !== undefined) resolveModelAlias(principal, request.body);
    if (principal.mayCall !== MAY_CALL_ANY) checkModelAccess(principal, request.body);
    const { keys } = this.gateway;
    const limited = keys?.directory === undefined ? undefined : keys.limitByCustomer(state, request);
    if (limited instanceof Promise) await limited;
    keys?.countSpending(state, request.body, http.getResponse<HttpResponse>());
    return true;
  }
}

function corsOriginOf(response: Answering): unknown {
  return response.getHeader('access-control-allow-origin') ?? response.raw?.getHeader('access-control-allow-origin');
}
