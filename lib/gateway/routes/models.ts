import { NoDeploymentError } from '../../common/http-errors.js';
import { RequestContext } from '../../http/request-context.js';
import type { GatewayContext } from '../gateway.context.js';
import type { GatewayExchange, GatewayRequest, GatewayRoute } from './route.js';

/** When models were made is not known; LiteLLM states this time, too. */
const CREATED = 1_677_610_602;
const OWNER = 'gateway';
/** Ids with slashes that are not encoded. No pattern for them works on both Express and Fastify. */
const [SPLIT_ID, ...SPLIT_IDS] = [1, 2, 3, 4].map((more) => `models/:id${Array.from({ length: more }, (_, i) => `/:part${i}`).join('')}`);

/** The routes that list the models which requests can use. */
export const MODEL_LISTS: readonly GatewayRoute[] = [
  { name: 'models', endpoint: 'models', method: 'GET', path: 'models', body: 'none', handle: list },
  { name: 'model', endpoint: 'models', method: 'GET', path: 'models/:id', body: 'none', handle: retrieve },
  {
    name: 'modelOfParts',
    endpoint: 'models',
    method: 'GET',
    path: SPLIT_ID,
    morePaths: SPLIT_IDS,
    body: 'none',
    isHidden: true,
    handle: retrieve,
  },
];

function list({ router }: GatewayContext, { request, callOptions, json }: GatewayExchange): void {
  const ids = callable(router.models(), request, callOptions);
  if (!isAnthropics(request)) return json({ object: 'list', data: ids.map(openAIModel) });
  json({ data: ids.map(anthropicModel), has_more: false, first_id: ids[0] ?? null, last_id: ids.at(-1) ?? null });
}

function retrieve({ router }: GatewayContext, { request, callOptions, json }: GatewayExchange): void {
  const id = Object.values(request.params as Readonly<Record<string, string>>).join('/');
  if (!callable(router.models(), request, callOptions).includes(id)) throw new NoDeploymentError(id, 'unknown_model');
  json(isAnthropics(request) ? anthropicModel(id) : openAIModel(id));
}

/** The models that the client may call, and the client's aliases of them. */
export function callable(
  models: readonly string[],
  request: GatewayRequest,
  { mayCall }: GatewayExchange['callOptions'],
): readonly string[] {
  const { modelAliases } = RequestContext.principalOf(request) ?? {};
  const allowed = mayCall === undefined ? models : models.filter((model) => mayCall(model));
  if (modelAliases === undefined) return allowed;
  // An alias with the name of a model can refer to another model.
  const real = allowed.filter((model) => !Object.hasOwn(modelAliases, model));
  const aliases = Object.entries(modelAliases).filter(([, model]) => allowed.includes(model));
  return [...real, ...aliases.map(([alias]) => alias)];
}

/** Distinguishes Anthropic's clients from OpenAI's, as in LiteLLM. */
function isAnthropics({ headers }: GatewayRequest): boolean {
  return headers['anthropic-version'] !== undefined;
}

function openAIModel(id: string): object {
  return { id, object: 'model', created: CREATED, owned_by: OWNER };
}

function anthropicModel(id: string): object {
  return { type: 'model', id, display_name: id, created_at: new Date(CREATED * 1000).toISOString() };
}
