import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { RequestContext, type HttpResponse } from '../../http/request-context.js';
import { checkModelAccess } from '../../keys/model-access.js';
import { contentTypeFault } from '../body/content-type.js';
import { GATEWAY_DESK, type GatewayDesk } from '../gateway.desk.js';
import { GATEWAY_ROUTE, type MountedRoute } from '../routes/mounted-route.js';
import type { KeyedRequest } from './anonymous.js';
import { keyFaultOf } from './key-check.js';
import { siteFaultOf } from './site-check.js';

interface Asked extends KeyedRequest {
  readonly method: string;
  readonly body?: unknown;
}

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
  constructor(@Inject(GATEWAY_DESK) private readonly desk: GatewayDesk) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<Asked>();
    const state = RequestContext.of(request);
    const mounted = Reflect.getMetadata(GATEWAY_ROUTE, context.getHandler()) as MountedRoute;
    const isChecked = state.checkedRoute === mounted;
    if (!state.isAdmitted) {
      const denial =
        siteFaultOf(request, this.desk.options.allowedHosts, () => corsOriginOf(http.getResponse<Answering>())) ??
        (isChecked ? undefined : await keyFaultOf(this.desk, request));
      if (denial !== undefined) throw denial;
    }
    const fault = isChecked ? undefined : contentTypeFault(request.headers, mounted.route.body);
    if (fault !== undefined) throw fault;
    if (this.desk.budget !== null) state.shared = this.desk.budget;
    const { principal } = state;
    if (principal === undefined) return true;
    checkModelAccess(principal, request.body);
    this.desk.keys?.countSpending(state, request.body, http.getResponse<HttpResponse>());
    return true;
  }
}

function corsOriginOf(response: Answering): unknown {
  return response.getHeader('access-control-allow-origin') ?? response.raw?.getHeader('access-control-allow-origin');
}
