import { InvalidArgumentError } from '../../common/errors.js';
import { ModelNotAllowedError } from '../../common/http-errors.js';
import { fieldsOf, type Fields } from '../../common/objects.js';
import { isSameAccount } from '../../calls/forwarded/message-batch.js';
import type { AnswerForm } from '../../calls/stream/answer-forms.js';
import { RequestContext } from '../../http/request-context.js';
import { gatewayError } from '../errors.js';
import type { GatewayContext } from '../gateway.context.js';
import { modelRequestOf, queryOf, refuseTenants } from './request-model.js';
import type { GatewayExchange, GatewayRequest, GatewayRoute } from './route.js';

const ANTHROPIC = 'anthropic';
/** Characters of an id in an error. */
const LONGEST_SHOWN = 200;

/** Query parameters of a list that are ids of batches. */
const CURSORS = ['after_id', 'before_id'] as const;

/** Anthropic's batches. Their ids are bound to the tenant that has created them. */
export const MESSAGE_BATCHES: readonly GatewayRoute[] = [
  route('createMessageBatch', 'POST', '', create, 'json'),
  route('listMessageBatches', 'GET', '', list),
  route('retrieveMessageBatch', 'GET', '/:id', stored('GET', '')),
  route('messageBatchResults', 'GET', '/:id/results', stored('GET', '/results')),
  route('cancelMessageBatch', 'POST', '/:id/cancel', stored('POST', '/cancel'), 'optional'),
  route('deleteMessageBatch', 'DELETE', '/:id', stored('DELETE', '')),
];

function route(
  name: string,
  method: GatewayRoute['method'],
  tail: string,
  handle: GatewayRoute['handle'],
  body: GatewayRoute['body'] = 'none',
): GatewayRoute {
  return { name, endpoint: 'batches', api: ANTHROPIC, method, path: `messages/batches${tail}`, body, handle };
}

async function create(gateway: GatewayContext, { request, reply, callOptions }: GatewayExchange): Promise<void> {
  const { client, options } = gateway;
  const body = modelRequestOf(request);
  const { model, rest } = queryOf(request);
  const account = model ?? headerModel(request) ?? options.models.batches ?? modelIn(body) ?? onlyAccount(gateway, callOptions.mayCall);
  const answer = await client.messageBatches({ model: account, method: 'POST', path: rest, body }, callOptions);
  return answer.sendTo(reply, { costHeaders: options.costHeaders }, formOf(gateway, request, answer.call.deploymentId));
}

/** For the operator: the account has the batches of all tenants. */
async function list(gateway: GatewayContext, { request, reply, callOptions }: GatewayExchange): Promise<void> {
  const { client, options, router, tenantIds } = gateway;
  refuseTenants(request);
  const { model, rest } = queryOf(request);
  const query = new URLSearchParams(rest);
  for (const name of CURSORS) {
    const found = tenantIds.find('message_batch', query.get(name) ?? '', RequestContext.principalOf(request), router);
    if (typeof found === 'object') query.set(name, found.id);
  }
  const path = query.size === 0 ? '' : `?${query.toString()}`;
  const answer = await client.messageBatches({ model: accountOf(gateway, request, model, callOptions), method: 'GET', path }, callOptions);
  return answer.sendTo(reply, { costHeaders: options.costHeaders }, formOf(gateway, request, answer.call.deploymentId));
}

/** A request about a batch, which is sent to the account that has it. */
function stored(method: GatewayRoute['method'], tail: string): GatewayRoute['handle'] {
  return async (gateway, { request, reply, callOptions }) => {
    const { client, options, router, tenantIds } = gateway;
    const { id = '' } = request.params as { readonly id?: string };
    const { model: named, rest } = queryOf(request);
    const found = tenantIds.find('message_batch', id, RequestContext.principalOf(request), router);
    if (found === undefined)
      throw gatewayError(404, null, `Message batch with id ${JSON.stringify(id.slice(0, LONGEST_SHOWN))} not found.`);
    if (found !== 'raw' && callOptions.mayCall?.(found.deployment.modelName) === false)
      throw new ModelNotAllowedError(found.deployment.modelName);
    const model = found === 'raw' ? accountOf(gateway, request, named, callOptions) : found.deployment.id;
    const asked = { model, method, path: `/${encodeURIComponent(found === 'raw' ? id : found.id)}${tail}${rest}` };
    const answer = await client.messageBatches(asked, found === 'raw' ? callOptions : { ...callOptions, mayCall: undefined });
    const form = tail === '/results' ? undefined : formOf(gateway, request, answer.call.deploymentId, found === 'raw' ? id : undefined);
    return answer.sendTo(reply, { costHeaders: options.costHeaders }, form);
  };
}

/**
 * Writes the ids of a batch, or of a list. Its results are at this gateway, not at the provider, to
 * which clients would send their key: a path relative to the address of the client.
 * @param asked the provider's id by which the operator has asked
 */
function formOf({ tenantIds }: GatewayContext, request: GatewayRequest, deploymentId: string, asked?: string): AnswerForm {
  const owner = { deploymentId, principal: RequestContext.principalOf(request) };
  const shown = (id: unknown): unknown => (typeof id !== 'string' || id === asked ? id : tenantIds.encode('message_batch', id, owner));
  const batch = (given: unknown): unknown => {
    const fields = fieldsOf(given);
    const id = shown(fields.id);
    return { ...fields, id, ...(typeof fields.results_url === 'string' && { results_url: `/v1/messages/batches/${String(id)}/results` }) };
  };
  return {
    whole(bytes) {
      const answer = jsonIn(bytes);
      if (answer === undefined) return bytes;
      if (!Array.isArray(answer.data)) return typeof answer.id === 'string' ? Buffer.from(JSON.stringify(batch(answer))) : bytes;
      const cursors = { first_id: shown(answer.first_id), last_id: shown(answer.last_id) };
      return Buffer.from(JSON.stringify({ ...answer, data: (answer.data as unknown[]).map(batch), ...cursors }));
    },
  };
}

function jsonIn(bytes: Buffer): Fields | undefined {
  try {
    return fieldsOf(JSON.parse(bytes.toString()) as unknown);
  } catch {
    return undefined;
  }
}

/** The model group that the operator names, else that of the only account. */
function accountOf(
  gateway: GatewayContext,
  request: GatewayRequest,
  named: string | undefined,
  { mayCall }: GatewayExchange['callOptions'],
): string {
  return named ?? headerModel(request) ?? gateway.options.models.batches ?? onlyAccount(gateway, mayCall);
}

function headerModel({ headers }: GatewayRequest): string | undefined {
  const header = headers['x-litellm-model'];
  return typeof header === 'string' && header !== '' ? header : undefined;
}

/** A batch names models in its requests alone. */
function modelIn(body: object | undefined): string | undefined {
  const { requests } = fieldsOf(body);
  const { model } = fieldsOf(fieldsOf(Array.isArray(requests) ? (requests as unknown[])[0] : undefined).params);
  return typeof model === 'string' && model !== '' ? model : undefined;
}

/** The model group of the only Anthropic account, since the SDK names none. */
function onlyAccount({ router }: GatewayContext, mayCall: ((model: string) => boolean) | undefined): string {
  const own = router.deployments().filter(({ provider, modelName }) => provider === ANTHROPIC && mayCall?.(modelName) !== false);
  const [first] = own;
  if (first !== undefined && own.every((each) => isSameAccount(each, first))) return first.modelName;
  const rule = 'must name the model group whose account has the batches, as ?model= or in the header x-litellm-model';
  throw new InvalidArgumentError('model', undefined, rule);
}
