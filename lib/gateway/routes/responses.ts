import { ModelNotAllowedError } from '../../common/http-errors.js';
import { releaseBody } from '../../http/body/body-object.js';
import { RequestContext } from '../../http/request-context.js';
import type { ModelRequest } from '../../providers/model-request.js';
import { gatewayError } from '../errors.js';
import type { GatewayContext } from '../gateway.context.js';
import { modelOf, modelRequestOf, queryOf, refuseTenants } from './request-model.js';
import type { GatewayExchange, GatewayRoute } from './route.js';

const ENDPOINT = 'responses';

/** The routes of OpenAI's Responses API, except counting. */
export const STORED_RESPONSES: readonly GatewayRoute[] = [
  { name: 'responses', endpoint: ENDPOINT, method: 'POST', path: 'responses', body: 'json', handle: create },
  { name: 'compactResponse', endpoint: ENDPOINT, method: 'POST', path: 'responses/compact', body: 'json', handle: compact },
  stored('retrieveResponse', 'GET', ''),
  stored('deleteResponse', 'DELETE', ''),
  stored('cancelResponse', 'POST', '/cancel', 'optional'),
  stored('listInputItems', 'GET', '/input_items'),
];

async function create(gateway: GatewayContext, { request, reply, callOptions }: GatewayExchange): Promise<void> {
  const { client, options, tenantIds } = gateway;
  const body = modelRequestOf(request);
  const { model } = body;
  const answer = await client.responses(body, continued(gateway, { request, body, callOptions }));
  if (!options.keepBodies) releaseBody(request.body);
  // A response that is not stored cannot be requested later.
  const { deploymentId } = answer.call;
  const form = body.store === false ? undefined : tenantIds.responseForm({ deploymentId, principal: RequestContext.principalOf(request) });
  return answer.sendTo(reply, { model, costHeaders: options.costHeaders }, form);
}

async function compact(gateway: GatewayContext, { request, reply, callOptions }: GatewayExchange): Promise<void> {
  const { client, options } = gateway;
  const body = modelRequestOf(request);
  const answer = await client.compactResponse(body, continued(gateway, { request, body, callOptions }));
  return answer.sendTo(reply, { costHeaders: options.costHeaders });
}

/** A request that may continue a stored response. */
interface Continuing extends Pick<GatewayExchange, 'request' | 'callOptions'> {
  readonly body: ModelRequest;
}

/**
 * The options of a call that continues a stored response: only the deployment that stored it has
 * it. Puts the provider's id and that deployment into the body.
 * @throws HttpException (400) for a response of another tenant
 */
function continued({ tenantIds, router }: GatewayContext, { request, body, callOptions }: Continuing): GatewayExchange['callOptions'] {
  const { previous_response_id: previous } = body;
  if (typeof previous !== 'string') return callOptions;
  const found = tenantIds.find('response', previous, RequestContext.principalOf(request), router);
  if (found === 'raw') return callOptions;
  if (found === undefined) {
    const shown = JSON.stringify(previous.slice(0, LONGEST_SHOWN));
    throw gatewayError(400, 'previous_response_not_found', `Previous response with id ${shown} not found.`);
  }
  const { deployment, id } = found;
  const { mayCall } = callOptions;
  if (mayCall?.(deployment.modelName) === false) throw new ModelNotAllowedError(deployment.modelName);
  Object.assign(body, { previous_response_id: id, model: deployment.id });
  const allowed = mayCall && ((name: string): boolean => name === deployment.id || mayCall(name));
  return { ...callOptions, mayCall: allowed, disableFallbacks: true };
}

/** Characters of an id in an error. */
const LONGEST_SHOWN = 200;

/** A request about a stored response, which is sent to the deployment that stored it. */
function stored(name: string, method: GatewayRoute['method'], tail: string, body: GatewayRoute['body'] = 'none'): GatewayRoute {
  return {
    name,
    endpoint: ENDPOINT,
    method,
    path: `responses/:id${tail}`,
    body,
    async handle(gateway: GatewayContext, { request, reply, callOptions }: GatewayExchange): Promise<void> {
      const { client, options, tenantIds, router } = gateway;
      const { id = '' } = request.params as { readonly id?: string };
      const { model: named, rest } = queryOf(request);
      const principal = RequestContext.principalOf(request);
      const found = tenantIds.find('response', id, principal, router);
      if (found === undefined) throw notFound(id);
      // The provider's own id is known to the operator, who names the model group.
      if (found === 'raw') refuseTenants(request);
      const model = found === 'raw' ? modelOf(request, named, undefined) : found.deployment.id;
      const { mayCall } = callOptions;
      if (found !== 'raw' && mayCall?.(found.deployment.modelName) === false) throw new ModelNotAllowedError(found.deployment.modelName);
      const asked = { model, method, path: `/${encodeURIComponent(found === 'raw' ? id : found.id)}${tail}${rest}` };
      const answer = await client.storedResponses(asked, found === 'raw' ? callOptions : { ...callOptions, mayCall: undefined });
      const form = found === 'raw' ? undefined : tenantIds.responseForm({ deploymentId: found.deployment.id, principal }, id);
      return answer.sendTo(reply, { costHeaders: options.costHeaders }, form);
    },
  };
}

function notFound(id: string): Error {
  return gatewayError(404, null, `Response with id ${JSON.stringify(id.slice(0, LONGEST_SHOWN))} not found.`);
}
