import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import { providerOfBareName } from './bare-models.js';
import type { CheckDeployment, DeploymentVerdict } from '../../router/deployments/callability.js';
import { DeploymentFault } from './deployment-fault.js';
import { checkEndpointParams, ProviderEndpoint } from './endpoint.js';
import { isForAnyProvider } from './endpoints.js';
import { hasSecretHeaders } from './headers.js';

/** Checks without a request whether a deployment can be called: provider, address and key. */
export function deploymentCheck(env: Environment): CheckDeployment {
  return ({ id, model, params }) => {
    try {
      if (isForAnyProvider({ model, params })) {
        checkAnyProvider(params, id);
        return { provider: 'openai' };
      }
      const endpoint = new ProviderEndpoint({ ...params, model }, id, env);
      // A deployment with a mocked answer calls no provider.
      const missing = params.mock_response === undefined ? endpoint.missingKey() : undefined;
      return { provider: endpoint.provider, ...(missing && uncallable(missing)), ...noteOf(endpoint) };
    } catch (error) {
      if (error instanceof DeploymentFault) return { provider: namedProvider(model, params), ...uncallable(error) };
      throw error;
    }
  };
}

/** The client names the provider, so the deployment's secrets would be sent anywhere. */
function checkAnyProvider(params: Readonly<Record<string, unknown>>, id: string): void {
  checkEndpointParams(params, id);
  if (!hasSecretHeaders(params)) return;
  const reason = 'a secret in a header would be sent to any provider that a request selects';
  throw new DeploymentFault(id, 'extra_headers', reason, 'set api_base or custom_llm_provider, or remove * from the model');
}

function uncallable({ path, reason, remedy }: DeploymentFault): Pick<DeploymentVerdict, 'uncallable'> {
  const key = path.slice(path.indexOf(': ') + 2);
  return { uncallable: { reason: reason.startsWith('must ') ? `${key} ${reason}` : reason, remedy } };
}

/** A key that is not sent would be missed without a message. */
function noteOf({ keptBack, origin }: ProviderEndpoint): Pick<DeploymentVerdict, 'note'> {
  if (keptBack.length === 0) return {};
  const [name] = keptBack;
  const { host } = new URL(origin);
  return {
    note: `${name} is not sent to ${host}, which is not its provider's host; if the key is meant for this host, set api_key: os.environ/${name}`,
  };
}

/** The provider that the deployment names, known or not. */
function namedProvider(model: string, { custom_llm_provider: custom }: Readonly<Record<string, unknown>>): string {
  if (typeof custom === 'string' && custom !== '') return custom;
  const slash = model.indexOf('/');
  return slash > 0 ? model.slice(0, slash) : (providerOfBareName(model) ?? 'unknown');
}
