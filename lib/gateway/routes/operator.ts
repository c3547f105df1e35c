import type { Deployment } from '../../router/deployments/deployment.js';
import type { GatewayContext } from '../gateway.context.js';
import type { GatewayExchange, GatewayRoute } from './route.js';

/** The routes for the operator, as LiteLLM's proxy has them. */
export const OPERATOR_ROUTES: readonly GatewayRoute[] = [
  { name: 'liveliness', endpoint: 'health', method: 'GET', path: 'health/liveliness', atRoot: 'only', body: 'none', handle: liveliness },
  { name: 'liveness', endpoint: 'health', method: 'GET', path: 'health/liveness', atRoot: 'only', body: 'none', handle: liveliness },
  { name: 'readiness', endpoint: 'health', method: 'GET', path: 'health/readiness', atRoot: 'only', body: 'none', handle: readiness },
  { name: 'modelInfo', endpoint: 'model_info', method: 'GET', path: 'model/info', atRoot: 'also', body: 'none', handle: modelInfo },
];

const ENDING = { status: 'shutting_down' };

function liveliness({ readiness: ask }: GatewayContext, { json }: GatewayExchange): void {
  if (ask().isShuttingDown) json(ENDING, 503);
  else json("I'm alive!");
}

/** LiteLLM states a database, too, which this gateway does not have. */
function readiness({ readiness: ask }: GatewayContext, { json }: GatewayExchange): void {
  const { isShuttingDown, isHealthy } = ask();
  if (isShuttingDown) json(ENDING, 503);
  else json({ status: isHealthy ? 'healthy' : 'unhealthy', db: 'Not connected' }, isHealthy ? 200 : 503);
}

/**
 * The deployments of the models that the client may call. `?litellm_model_id=`: one of them, by the
 * id that answers have in `x-litellm-model-id`.
 */
function modelInfo({ router, tokenCounter }: GatewayContext, { request, callOptions, json }: GatewayExchange): void {
  const { litellm_model_id: id } = (request.query ?? {}) as { readonly litellm_model_id?: unknown };
  const { mayCall = () => true } = callOptions;
  const shown = router.deployments().filter((each) => (id === undefined || each.id === id) && mayCall(each.modelName));
  json({ data: shown.map((deployment) => infoOf(deployment, tokenCounter)) });
}

/** Without keys, headers and credentials. */
function infoOf(deployment: Deployment, tokenCounter: GatewayContext['tokenCounter']): object {
  const { model_name, litellm_params } = deployment.toJSON();
  const { contextWindow, maxOutputTokens } = tokenCounter.limitsOf(deployment.model);
  return {
    model_name,
    litellm_params,
    model_info: {
      id: deployment.id,
      db_model: false,
      litellm_provider: deployment.provider,
      max_input_tokens: contextWindow,
      max_output_tokens: maxOutputTokens,
      ...priceOf(deployment),
    },
  };
}

/** Too few for a higher tier. */
const PRICED_TOKENS = 1_000;

function priceOf(deployment: Deployment): object {
  const fee = deployment.costUsd(0, 0) ?? 0;
  const of = (input: number, output: number): number | null => {
    const cost = deployment.costUsd(input, output);
    return cost === undefined ? null : (cost - fee) / PRICED_TOKENS;
  };
  return { input_cost_per_token: of(PRICED_TOKENS, 0), output_cost_per_token: of(0, PRICED_TOKENS) };
}
