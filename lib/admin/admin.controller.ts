import {
  Body,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Inject,
  Param,
  Patch,
  Post,
  Query,
  Req,
  UseFilters,
  VERSION_NEUTRAL,
  type ExceptionFilter,
  type Type,
} from '@nestjs/common';
import { documentTag, needsBearer } from '../common/openapi-metadata.js';
import type { ManagedRequest } from '../keys/api/audit-actor.js';
import { answering } from './admin-errors.js';
import { AdminRequester } from './admin-requester.js';
import { ADMIN_SERVICES, type AdminServices, type AdminRoute } from './admin-routes.js';
import { CONFIGURATION_ROUTES } from './configuration-routes.js';
import { CREDENTIAL_ROUTES } from './credential-routes.js';
import { GUARDRAIL_ROUTES } from './guardrail-routes.js';
import { HEALTH_ROUTES } from './health-routes.js';
import { MODEL_ROUTES } from './model-routes.js';

/** All admin routes. A room's file per group of routes; each is added here. */
const ROUTES: readonly AdminRoute[] = [...MODEL_ROUTES, ...CREDENTIAL_ROUTES, ...CONFIGURATION_ROUTES, ...GUARDRAIL_ROUTES];

const DECORATORS = { get: Get, post: Post, patch: Patch, delete: Delete };

/**
 * Creates the controller of LiteLLM's admin routes with the given error filter.
 * @param hasHealth Whether it has `/health`, which many apps have themselves.
 */
export function createAdminController(errorFilter: Type<ExceptionFilter>, hasHealth: boolean): Type<object> {
  class AdminController {
    constructor(readonly services: AdminServices) {}
  }
  Inject(ADMIN_SERVICES)(AdminController, undefined, 0);
  Controller({ path: '', version: VERSION_NEUTRAL })(AdminController);
  UseFilters(errorFilter)(AdminController);
  needsBearer(AdminController);
  documentTag('admin')(AdminController);
  for (const route of hasHealth ? [...ROUTES, ...HEALTH_ROUTES] : ROUTES) addRoute(AdminController, route);
  return AdminController;
}

/** Adds a handler, whose name is also that of the operation in an OpenAPI document. */
function addRoute(controller: Type<object>, { method, path, access, answer }: AdminRoute): void {
  const name = `${method} ${path}`;
  const handlers = {
    async [name](
      this: { readonly services: AdminServices },
      body: unknown,
      query: unknown,
      params: Readonly<Record<string, string>>,
      request: ManagedRequest,
    ): Promise<unknown> {
      const { services } = this;
      return answering(async () => {
        const requester = await AdminRequester.of(request, path, services.keys);
        if (access === 'master') requester.checkMaster();
        return answer(services, { body, query, params, requester });
      });
    },
  };
  const prototype = controller.prototype as object;
  const descriptor: PropertyDescriptor = { value: handlers[name], writable: true, configurable: true };
  Object.defineProperty(prototype, name, descriptor);
  [Body(), Query(), Param(), Req()].forEach((decorate, index) => decorate(prototype, name, index));
  // Responses are for the owner of the key, so no cache must store them.
  for (const decorate of [DECORATORS[method](path), HttpCode(200), Header('cache-control', 'no-store')])
    decorate(prototype, name, descriptor);
}
