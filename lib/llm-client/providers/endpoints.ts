import { InvalidArgumentError } from '../../common/errors.js';
import { DeploymentMisconfiguredError } from '../../common/http-errors.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import { isSentParam } from '../../router/config/litellm-keys.js';
import type { Deployment } from '../call/call-router.js';
import { DeploymentFault } from './deployment-fault.js';
import { ProviderEndpoint } from './endpoint.js';
import { ProviderErrors } from './provider-errors.js';
import { isResolved, resolveModel } from './resolution.js';

/** How a deployment is asked. */
export class KnownEndpoint {
  /** Whether it has refused to be asked for a stream's usage. */
  refusesStreamOptions = false;

  constructor(
    readonly endpoint: ProviderEndpoint,
    readonly errors: ProviderErrors,
    /** Fields for the request's body, where the request does not say. */
    readonly defaults: Readonly<Record<string, unknown>> | undefined,
    /** Fields that go before the request's own: `extra_body`. */
    readonly fixed: Readonly<Record<string, unknown>> | undefined,
  ) {}
}

/** The addresses of deployments, each worked out when it is first needed. A deployment that is updated is another object. */
export class ProviderEndpoints {
  private readonly known = new WeakMap<Deployment, KnownEndpoint>();
  /** Of deployments for any provider (`*`), by provider. */
  private readonly ofAnyProvider = new WeakMap<Deployment, Map<string, KnownEndpoint>>();

  /** @param env Where the key of a well-known provider is looked up. */
  constructor(private readonly env: Environment) {}

  /**
   * @param called What is called there: where a deployment's model is `*`, without an address or a key, it says which provider is asked.
   * @throws DeploymentMisconfiguredError where a deployment cannot be called; InvalidArgumentError where it is for any provider, and what is
   * called names none that can be.
   */
  of(deployment: Deployment, called: string): KnownEndpoint {
    let known = this.known.get(deployment);
    if (known !== undefined) return known;
    if (isForAnyProvider(deployment)) return this.ofProvider(deployment, called);
    try {
      known = this.read(deployment, deployment.model);
    } catch (error) {
      if (error instanceof DeploymentFault) throw new DeploymentMisconfiguredError(deployment.modelName, [deployment.id], error);
      throw error;
    }
    this.known.set(deployment, known);
    return known;
  }

  private ofProvider(deployment: Deployment, called: string): KnownEndpoint {
    const resolved = resolveModel({ model: called });
    if (!isResolved(resolved)) throw unknownProvider(called, `${resolved.reason}; ${resolved.mend}`);
    let byProvider = this.ofAnyProvider.get(deployment);
    if (byProvider === undefined) this.ofAnyProvider.set(deployment, (byProvider = new Map<string, KnownEndpoint>()));
    let known = byProvider.get(resolved.provider);
    if (known === undefined) {
      // The client has chosen the provider: that none is set up for it must not take the deployment out for the others.
      try {
        known = this.read(deployment, called);
      } catch (error) {
        if (error instanceof DeploymentFault) throw unknownProvider(called);
        throw error;
      }
      if (known.endpoint.missingKey() !== undefined || !known.endpoint.isSetUp) throw unknownProvider(called);
      byProvider.set(resolved.provider, known);
    }
    return known;
  }

  private read({ params, id }: Deployment, model: string): KnownEndpoint {
    const endpoint = new ProviderEndpoint({ ...params, model }, id, this.env);
    return new KnownEndpoint(endpoint, new ProviderErrors(endpoint, id), defaultsIn(params), fixedIn(params));
  }
}

function unknownProvider(called: string, detail?: string): InvalidArgumentError {
  const rule = 'must name a provider that is set up here and speaks the OpenAI protocol';
  return new InvalidArgumentError('model', called, detail === undefined ? rule : `${rule} (${detail})`);
}

/** Whether a deployment is for whatever provider a request names: `*`, and nothing that says which. */
export function isForAnyProvider({ model, params }: Pick<Deployment, 'model' | 'params'>): boolean {
  const { api_base: base, base_url: url, api_key: key, custom_llm_provider: provider } = params;
  return model === '*' && [base, url, key, provider].every((said) => said === undefined || said === null || said === '');
}

function defaultsIn(params: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  const entries = Object.entries(params).filter(([key, value]) => isSentParam(key) && value !== undefined && value !== null);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** As in LiteLLM, the operator's `extra_body` is put over the body. Whether an answer is streamed stays the caller's choice. */
function fixedIn({ extra_body: extra }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  if (typeof extra !== 'object' || extra === null || Array.isArray(extra)) return undefined;
  const entries = Object.entries(extra).filter(([key]) => key !== 'stream');
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
