import { InvalidArgumentError } from '../../common/errors.js';
import { isInfoKey } from '../../router/config/litellm-keys.js';
import type { Deployment } from '../../router/deployments/deployment.js';
import type { GatewayContext } from '../gateway.context.js';
import type { GatewayExchange, GatewayRequest, GatewayRoute } from './route.js';

const INFO_ROUTE = { endpoint: 'model_info', method: 'GET', body: 'none' } as const;

/** The routes that describe deployments and model groups, as LiteLLM's proxy has them. */
export const MODEL_INFO_ROUTES: readonly GatewayRoute[] = [
  { ...INFO_ROUTE, name: 'modelInfo', path: 'model/info', atRoot: 'also', handle: modelInfo },
  { ...INFO_ROUTE, name: 'modelInfoPages', path: 'v2/model/info', atRoot: 'only', handle: modelInfoPages },
  { ...INFO_ROUTE, name: 'modelGroupInfo', path: 'model_group/info', atRoot: 'only', handle: modelGroupInfo },
];

type Query = Readonly<Record<string, unknown>>;

/** Entries of a page of `/v2/model/info`, as in LiteLLM. */
const PAGE_SIZE = 50;
const DEFAULT_MODE = 'chat';
const MOST_PER_PAGE = 1_000;
/** Too few for a higher tier. */
const PRICED_TOKENS = 1_000;

/**
 * The deployments of the models that the client may call. `?litellm_model_id=`: one of them, by the
 * id that answers have in `x-litellm-model-id`; 400 for an unknown id.
 */
function modelInfo({ router, tokenCounter }: GatewayContext, exchange: GatewayExchange): void {
  const { litellm_model_id: id } = queryOf(exchange.request);
  const shown = callableDeployments(router, exchange).filter((each) => id === undefined || each.id === id);
  if (id !== undefined && shown.length === 0) throw new InvalidArgumentError('litellm_model_id', id, 'must be the id of a deployment');
  exchange.json({ data: shown.map((deployment) => infoOf(deployment, tokenCounter)) });
}

/** The same in pages: `search` in names, `model` and `modelId` by equality, `sortBy` the name. */
function modelInfoPages({ router, tokenCounter }: GatewayContext, exchange: GatewayExchange): void {
  const query = queryOf(exchange.request);
  const [page, size] = [numberIn(query, 'page', 1, Number.MAX_SAFE_INTEGER), numberIn(query, 'size', PAGE_SIZE, MOST_PER_PAGE)];
  const { search, model, modelId, sortBy, sortOrder } = query;
  if (sortBy !== undefined && sortBy !== 'model_name') throw new InvalidArgumentError('sortBy', sortBy, 'must be model_name');
  const wanted = typeof search === 'string' ? search.toLowerCase() : '';
  const found = callableDeployments(router, exchange).filter(
    ({ id, modelName }) =>
      (modelId === undefined || id === modelId) && (model === undefined || modelName === model) && modelName.toLowerCase().includes(wanted),
  );
  if (sortBy !== undefined) {
    const direction = sortOrder === 'desc' ? -1 : 1;
    found.sort((a, b) => direction * a.modelName.localeCompare(b.modelName));
  }
  exchange.json({
    data: found.slice((page - 1) * size, page * size).map((deployment) => infoOf(deployment, tokenCounter)),
    total_count: found.length,
    current_page: page,
    total_pages: Math.ceil(found.length / size),
    size,
  });
}

/** The model groups that the client may call. `?model_group=`: one of them. */
function modelGroupInfo({ router, tokenCounter }: GatewayContext, exchange: GatewayExchange): void {
  const { model_group: wanted } = queryOf(exchange.request);
  const groups = new Map<string, Deployment[]>();
  for (const deployment of callableDeployments(router, exchange)) {
    if (wanted !== undefined && deployment.modelName !== wanted) continue;
    const members = groups.get(deployment.modelName);
    if (members === undefined) groups.set(deployment.modelName, [deployment]);
    else members.push(deployment);
  }
  exchange.json({ data: [...groups].map(([name, members]) => groupOf(name, members, tokenCounter)) });
}

function callableDeployments(router: GatewayContext['router'], { callOptions }: GatewayExchange): Deployment[] {
  const { mayCall = () => true } = callOptions;
  return router.deployments().filter(({ modelName }) => mayCall(modelName));
}

/** Without keys, headers and credentials. */
function infoOf(deployment: Deployment, tokenCounter: GatewayContext['tokenCounter']): object {
  const { model_name, litellm_params } = deployment.toJSON();
  const { contextWindow, maxOutputTokens } = tokenCounter.limitsOf(deployment.model);
  return {
    model_name,
    litellm_params,
    model_info: {
      ...Object.fromEntries(Object.entries(deployment.info).filter(([key]) => isInfoKey(key))),
      id: deployment.id,
      db_model: deployment.info.db_model === true,
      mode: modeOf(deployment),
      litellm_provider: deployment.provider,
      max_tokens: maxOutputTokens,
      max_input_tokens: contextWindow,
      max_output_tokens: maxOutputTokens,
      ...priceOf(deployment),
    },
  };
}

/**
 * The properties of a model group: the highest limits and prices of its deployments, as in LiteLLM.
 */
function groupOf(name: string, members: readonly Deployment[], tokenCounter: GatewayContext['tokenCounter']): object {
  const limits = members.map(({ model }) => tokenCounter.limitsOf(model));
  const prices = members.map(priceOf);
  return {
    model_group: name,
    providers: [...new Set(members.map(({ provider }) => provider))],
    max_input_tokens: highest(limits.map(({ contextWindow }) => contextWindow)),
    max_output_tokens: highest(limits.map(({ maxOutputTokens }) => maxOutputTokens)),
    input_cost_per_token: highest(prices.map(({ input_cost_per_token: price }) => price)),
    output_cost_per_token: highest(prices.map(({ output_cost_per_token: price }) => price)),
    mode: modeOf(members.find(({ info }) => typeof info.mode === 'string') ?? members[0]),
    tpm: sumOf(members.map(({ tpm }) => tpm)),
    rpm: sumOf(members.map(({ rpm }) => rpm)),
    ...supportOf(members),
  };
}

function modeOf({ info }: Deployment): string {
  return typeof info.mode === 'string' ? info.mode : DEFAULT_MODE;
}

/** `supports_…` of `model_info`: whether at least one deployment has it. */
function supportOf(members: readonly Deployment[]): Record<string, boolean> {
  const names = members.flatMap(({ info }) => Object.keys(info).filter((key) => key.startsWith('supports_')));
  return Object.fromEntries([...new Set(names)].map((key) => [key, members.some(({ info }) => info[key] === true)]));
}

function priceOf(deployment: Deployment): Record<'input_cost_per_token' | 'output_cost_per_token', number | null> {
  const fee = deployment.costUsd(0, 0) ?? 0;
  const of = (input: number, output: number): number | null => {
    const cost = deployment.costUsd(input, output);
    return cost === undefined ? null : (cost - fee) / PRICED_TOKENS;
  };
  return { input_cost_per_token: of(PRICED_TOKENS, 0), output_cost_per_token: of(0, PRICED_TOKENS) };
}

function highest(values: readonly (number | null)[]): number | null {
  return values.reduce((most, value) => (value === null || (most !== null && most > value) ? most : value), null);
}

/** `null` if no deployment has a limit. */
function sumOf(limits: readonly number[]): number | null {
  const set = limits.filter((limit) => limit !== Infinity);
  return set.length === 0 ? null : set.reduce((sum, limit) => sum + limit, 0);
}

function queryOf({ query }: GatewayRequest): Query {
  return (query ?? {}) as Query;
}

/** @throws InvalidArgumentError for anything but a whole number from 1 to `max`. */
function numberIn(query: Query, name: string, byDefault: number, max: number): number {
  const given = query[name];
  if (given === undefined) return byDefault;
  const value = typeof given === 'string' && given.trim() !== '' ? Number(given) : NaN;
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new InvalidArgumentError(name, given, `must be a whole number from 1 to ${max}`);
}
