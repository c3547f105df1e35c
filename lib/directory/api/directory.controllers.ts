import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Inject,
  Patch,
  Post,
  Query,
  Req,
  UseFilters,
  VERSION_NEUTRAL,
  type ExceptionFilter,
  type Type,
} from '@nestjs/common';
import { ApiKeyError } from '../../common/http-errors.js';
import { documentTag, needsBearer } from '../../common/openapi-metadata.js';
import { actorOf, type ManagedRequest } from '../../keys/api/audit-actor.js';
import { ApiKeyService } from '../../keys/api-keys.service.js';
import { DirectoryService } from '../directory.service.js';
import { BudgetApi } from './budget-api.js';
import { CustomerApi } from './customer-api.js';
import { OrganizationApi } from './organization-api.js';
import { Requester } from './requester.js';
import { TeamApi } from './team-api.js';
import { UserApi } from './user-api.js';

type Method = 'get' | 'post' | 'patch' | 'delete';

/** LiteLLM's routes for one directory. */
class Apis {
  readonly teams: TeamApi;
  readonly users: UserApi;
  readonly budgets: BudgetApi;
  readonly customers: CustomerApi;
  readonly organizations: OrganizationApi;

  constructor(directory: DirectoryService, keys: ApiKeyService) {
    this.teams = new TeamApi(directory, keys);
    this.users = new UserApi(directory, keys);
    this.budgets = new BudgetApi(directory);
    this.customers = new CustomerApi(directory);
    this.organizations = new OrganizationApi(directory);
  }
}

/** Handles one route: takes the body, or the query of a GET, and the requester. */
interface Route {
  readonly method: Method;
  readonly path: string;
  readonly answer: (apis: Apis, given: unknown, requester: Requester) => Promise<unknown>;
}

const get = (path: string, answer: Route['answer']): Route => ({ method: 'get', path, answer });
const post = (path: string, answer: Route['answer']): Route => ({ method: 'post', path, answer });

const CUSTOMER_ROUTES: readonly Route[] = [
  post('new', ({ customers }, body, by) => customers.create(body, by)),
  post('update', ({ customers }, body, by) => customers.update(body, by)),
  post('delete', ({ customers }, body, by) => customers.delete(body, by)),
  post('block', ({ customers }, body, by) => customers.block(body, true, by)),
  post('unblock', ({ customers }, body, by) => customers.block(body, false, by)),
  get('info', ({ customers }, query, by) => customers.info(query, by)),
  get('list', ({ customers }, query, by) => customers.list(query, by)),
];

/** Routes by path prefix. */
const ROUTES: Readonly<Record<string, readonly Route[]>> = {
  team: [
    post('new', ({ teams }, body, by) => teams.create(body, by)),
    post('update', ({ teams }, body, by) => teams.update(body, by)),
    post('delete', ({ teams }, body, by) => teams.delete(body, by)),
    post('member_add', ({ teams }, body, by) => teams.addMembers(body, by)),
    post('member_delete', ({ teams }, body, by) => teams.removeMember(body, by)),
    post('member_update', ({ teams }, body, by) => teams.updateMember(body, by)),
    post('block', ({ teams }, body, by) => teams.block(body, true, by)),
    post('unblock', ({ teams }, body, by) => teams.block(body, false, by)),
    get('info', ({ teams }, query, by) => teams.info(query, by)),
    get('list', ({ teams }, query, by) => teams.list(query, by)),
    // Users cannot join teams themselves.
    get('available', () => Promise.resolve([])),
  ],
  'v2/user': [get('info', ({ users }, query, by) => users.row(query, by))],
  'v2/team': [get('list', ({ teams }, query, by) => teams.listPages(query, by))],
  user: [
    post('new', ({ users }, body, by) => users.create(body, by)),
    post('update', ({ users }, body, by) => users.update(body, by)),
    post('delete', ({ users }, body, by) => users.delete(body, by)),
    get('info', ({ users }, query, by) => users.info(query, by)),
    get('list', ({ users }, query, by) => users.list(query, by)),
  ],
  budget: [
    post('new', ({ budgets }, body, by) => budgets.create(body, by)),
    post('update', ({ budgets }, body, by) => budgets.update(body, by)),
    post('delete', ({ budgets }, body, by) => budgets.delete(body, by)),
    post('info', ({ budgets }, body, by) => budgets.info(body, by)),
    get('list', ({ budgets }, query, by) => budgets.list(query, by)),
  ],
  customer: CUSTOMER_ROUTES,
  end_user: CUSTOMER_ROUTES,
  organization: [
    post('new', ({ organizations }, body, by) => organizations.create(body, by)),
    { method: 'patch', path: 'update', answer: ({ organizations }, body, by) => organizations.update(body, by) },
    { method: 'delete', path: 'delete', answer: ({ organizations }, body, by) => organizations.delete(body, by) },
    get('info', ({ organizations }, query, by) => organizations.info(query, by)),
    get('list', ({ organizations }, query, by) => organizations.list(query, by)),
  ],
};

const DECORATORS = { get: Get, post: Post, patch: Patch, delete: Delete };

/** Creates the controllers of LiteLLM's directory routes with the given error filter. */
export function createDirectoryControllers(errorFilter: Type<ExceptionFilter>): readonly Type<object>[] {
  return Object.entries(ROUTES).map(([path, routes]) => controllerOf(path, routes, errorFilter));
}

function controllerOf(path: string, routes: readonly Route[], errorFilter: Type<ExceptionFilter>): Type<object> {
  class DirectoryController {
    readonly apis: Apis | undefined;

    constructor(
      readonly directory: DirectoryService | null,
      readonly keys: ApiKeyService,
    ) {
      this.apis = directory === null ? undefined : new Apis(directory, keys);
    }
  }
  Inject(DirectoryService)(DirectoryController, undefined, 0);
  Inject(ApiKeyService)(DirectoryController, undefined, 1);
  Controller({ path, version: VERSION_NEUTRAL })(DirectoryController);
  UseFilters(errorFilter)(DirectoryController);
  needsBearer(DirectoryController);
  documentTag('keys')(DirectoryController);
  for (const route of routes) addRoute(DirectoryController, path, route);
  return DirectoryController;
}

/** Inputs of a handler. */
interface Handling {
  readonly apis: Apis | undefined;
  readonly directory: DirectoryService | null;
  readonly keys: ApiKeyService;
}

function addRoute(controller: Type<object>, base: string, { method, path, answer }: Route): void {
  const handlers = {
    async [path](this: Handling, given: unknown, request: ManagedRequest): Promise<unknown> {
      const { apis, directory, keys } = this;
      const principal = await keys.authenticate(request.headers);
      if (principal.mayRequest?.(`${base}/${path}`) === false) throw new ApiKeyError('route_not_allowed');
      if (apis === undefined || directory === null) throw new ApiKeyError('unavailable');
      return answer(apis, given, new Requester(principal, directory, actorOf(request, principal.keyId ?? 'master')));
    },
  };
  const prototype = controller.prototype as object;
  const descriptor: PropertyDescriptor = { value: handlers[path], writable: true, configurable: true };
  Object.defineProperty(prototype, path, descriptor);
  (method === 'get' ? Query() : Body())(prototype, path, 0);
  Req()(prototype, path, 1);
  for (const decorate of [DECORATORS[method](path), HttpCode(200)]) decorate(prototype, path, descriptor);
}
