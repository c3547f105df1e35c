import { HttpException } from '@nestjs/common';
import { InvalidArgumentError, errorMessage } from '../common/errors.js';
import { fieldsOf, type Fields } from '../common/objects.js';
import type { Deployment } from '../router/deployments/deployment.js';
import type { DeploymentState } from '../router/selection/explanation.js';
import type { AdminServices, AdminRequest, AdminRoute } from './admin-routes.js';

/** LiteLLM's routes for the health of deployments and of the services that receive calls. */
export const HEALTH_ROUTES: readonly AdminRoute[] = [
  { method: 'get', path: 'health', access: 'master', answer: health },
  { method: 'get', path: 'health/services', access: 'master', answer: testService },
];

/** The parameters of a deployment that LiteLLM shows. */
const SHOWN_PARAMS = [
  'custom_llm_provider',
  'base_model',
  'region_name',
  'aws_region_name',
  'vertex_project',
  'vertex_location',
  'tpm',
  'rpm',
];

/**
 * Deployments by their latest health check or call. Makes no calls, which would be billed.
 * `?model=` selects a model group, `?model_id=` a deployment: 503 if none of these is healthy.
 */
async function health({ router }: AdminServices, { query }: AdminRequest): Promise<Fields> {
  const { model, model_id: id } = fieldsOf(query);
  const states = new Map(router.status().map((state) => [state.id, state]));
  const wanted = router
    .deployments()
    .filter((each) => (model === undefined || each.modelName === model) && (id === undefined || each.id === id));
  if (wanted.length === 0 && (model !== undefined || id !== undefined)) {
    const [path, value] = id === undefined ? ['model', model] : ['model_id', id];
    throw new InvalidArgumentError(path, value, 'must be an existing model');
  }
  const found = wanted.map((deployment) => {
    const state = states.get(deployment.id);
    const fault = state && faultOf(state);
    return { isHealthy: fault === undefined, endpoint: endpointOf(deployment, state, fault) };
  });
  const [healthy, unhealthy] = [found.filter(({ isHealthy }) => isHealthy), found.filter(({ isHealthy }) => !isHealthy)];
  const body = {
    healthy_endpoints: healthy.map(({ endpoint }) => endpoint),
    unhealthy_endpoints: unhealthy.map(({ endpoint }) => endpoint),
    healthy_count: healthy.length,
    unhealthy_count: unhealthy.length,
  };
  const isTargeted = model !== undefined || id !== undefined;
  if (!isTargeted || healthy.length > 0) return body;
  const message = `No deployment of ${String(id ?? model)} is healthy.`;
  throw new HttpException({ error: { message, type: 'server_error', param: null, code: 'unhealthy', ...body } }, 503);
}

/** Why a deployment gets no requests, or fails all of them; `undefined`: it is healthy. */
function faultOf({ state, uncallable, lastFailure, successes, failures, coolingForMs }: DeploymentState): string | undefined {
  const cause = lastFailure === undefined ? '' : ` (${lastFailure.cause})`;
  switch (state) {
    case 'uncallable':
      return uncallable?.reason ?? 'cannot be called';
    case 'blocked':
      return 'a limit of 0 blocks it';
    case 'cooling':
      return `in cooldown for ${Math.ceil(coolingForMs / 1000)} s${cause}`;
    case 'over_budget':
      return 'its budget is spent';
    case 'unhealthy':
      return `its latest health check failed${cause}`;
    case 'available':
      return failures > 0 && successes === 0 ? `all calls in the last minute failed${cause}` : undefined;
  }
}

function endpointOf(
  { id, modelName, model, provider, params }: Deployment,
  state: DeploymentState | undefined,
  fault: string | undefined,
): Fields {
  const shown = SHOWN_PARAMS.filter((key) => params[key] !== undefined).map((key): [string, unknown] => [key, params[key]]);
  const { lastFailure, inFlight = 0, latencyMs = 0 } = state ?? {};
  return {
    model,
    model_id: id,
    model_name: modelName,
    custom_llm_provider: provider,
    ...Object.fromEntries(shown),
    api_base: originOf(params.api_base ?? params.base_url),
    state: state?.state ?? 'available',
    in_flight: inFlight,
    latency_ms: latencyMs,
    last_failure: lastFailure && { cause: lastFailure.cause, seconds_ago: Math.round(lastFailure.agoMs / 1000) },
    ...(fault !== undefined && { error: fault }),
  };
}

/** Without a path, query or login, which can hold a secret. */
function originOf(address: unknown): string | undefined {
  return typeof address === 'string' && URL.canParse(address) ? new URL(address).origin : undefined;
}

/** Sends a test event to a callback or an alert channel, and reports whether it arrived. */
async function testService({ services }: AdminServices, { query }: AdminRequest): Promise<Fields> {
  const { service } = fieldsOf(query);
  const names = services.map(({ name }) => name);
  const found = services.find(({ name }) => name === service);
  if (found === undefined) {
    const rule = names.length === 0 ? 'must be a callback or alert channel, but none is configured' : `must be one of ${names.join(', ')}`;
    throw new InvalidArgumentError('service', service, rule);
  }
  try {
    await found.test();
  } catch (error) {
    const message = `${found.name} did not accept the test event (${errorMessage(error)}).`;
    throw new HttpException({ error: { message, type: 'server_error', param: null, code: 'service_unavailable' } }, 503);
  }
  return { status: 'success', message: `${found.name} accepted a test event.` };
}
