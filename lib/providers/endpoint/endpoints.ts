import { InvalidArgumentError } from '../../common/errors.js';
import { DeploymentMisconfiguredError } from '../../common/http-errors.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import { isSentParam } from '../../router/config/litellm-keys.js';
import { addedFields } from '../own-fields.js';
import type { Deployment } from '../../router/deployments/deployment.js';
import { DeploymentFault } from './deployment-fault.js';
import { ProviderEndpoint } from './endpoint.js';
import { ProviderErrors } from '../provider-errors.js';
import { isResolved, regionOf, resolveModel } from './resolution.js';
import { protocolOf } from '../protocols.js';

/** The resolved endpoint of one deployment. */
export class KnownEndpoint {
  /** Whether it rejected `stream_options`. */
  refusesStreamOptions = false;
  /** Operations that it does not have after all, each with its model. */
  readonly lacking = new Set<string>();

  constructor(
    readonly endpoint: ProviderEndpoint,
    readonly errors: ProviderErrors,
    /** Fields for the body that the request can override. */
    readonly defaults: Readonly<Record<string, unknown>> | undefined,
    /** Fields that override the request's own: `extra_body`. */
    readonly fixed: Readonly<Record<string, unknown>> | undefined,
  ) {}
}

const MOST_KNOWN = 1000;

/** Resolves the endpoints of deployments, each once. An updated deployment is another object. */
export class ProviderEndpoints {
  private readonly known = new WeakMap<Deployment, KnownEndpoint>();
  /** Endpoints of deployments for any provider (`*`), by provider, protocol and region. */
  private readonly ofAnyProvider = new WeakMap<Deployment, Map<string, KnownEndpoint>>();

  /**
   * @param env Environment that may hold the keys of well-known providers.
   * @param guarded Ids of deployments that only connect to public and allowed addresses.
   */
  constructor(
    private readonly env: Environment,
    private readonly guarded: ReadonlySet<string> = new Set(),
  ) {}

  /**
   * @param called The model to call. For a deployment `*` without address or key it names the
   * provider.
   * @throws DeploymentMisconfiguredError for a deployment that cannot be called.
   * @throws InvalidArgumentError if `called` names no provider that is set up here.
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
    if (!isResolved(resolved)) throw unknownProvider(called, `${resolved.reason}; ${resolved.remedy}`);
    const { provider } = resolved;
    // The model's name can also determine the region and the protocol.
    const key = `${provider} ${protocolOf(provider, resolved.model).name} ${regionOf(provider, called) ?? ''}`;
    let byProvider = this.ofAnyProvider.get(deployment);
    if (byProvider === undefined) this.ofAnyProvider.set(deployment, (byProvider = new Map<string, KnownEndpoint>()));
    let known = byProvider.get(key);
    if (known === undefined) {
      // The client chose the provider, so an unknown one must not make the deployment uncallable
      // for others.
      try {
        known = this.read(deployment, called);
      } catch (error) {
        if (error instanceof DeploymentFault) throw unknownProvider(called, incomplete(resolved.provider));
        throw error;
      }
      const { endpoint } = known;
      const lacks = endpoint.isSetUp ? endpoint.authorization?.missing?.() : undefined;
      if (lacks !== undefined) throw unknownProvider(called, lacks.reason);
      if (endpoint.missingKey() !== undefined || !endpoint.isSetUp) {
        throw unknownProvider(called, `the environment has no key or address for ${resolved.provider}`);
      }
      // Regions come from clients: a process has few of them, unless a client invents some.
      if (byProvider.size >= MOST_KNOWN) byProvider.clear();
      byProvider.set(key, known);
    }
    return known;
  }

  private read({ params, id }: Deployment, model: string): KnownEndpoint {
    const endpoint = new ProviderEndpoint({ ...params, model }, id, this.env);
    if (this.guarded.has(id)) endpoint.guard();
    return new KnownEndpoint(endpoint, new ProviderErrors(endpoint, id), defaultsIn(params), fixedIn(params));
  }
}

function unknownProvider(called: string, detail: string): InvalidArgumentError {
  return new InvalidArgumentError('model', called, `must be a model of this server, or of a provider that is configured here (${detail})`);
}

/** Without the names of variables, which are the operator's. */
function incomplete(provider: string): string {
  return `${provider} has no model of that name, or the environment has no address or project for it`;
}

/** Whether a deployment serves any provider that a request names: `*` without address or key. */
export function isForAnyProvider({ model, params }: Pick<Deployment, 'model' | 'params'>): boolean {
  const { api_base: base, base_url: url, api_key: key, custom_llm_provider: provider } = params;
  return model === '*' && [base, url, key, provider].every((said) => said === undefined || said === null || said === '');
}

function defaultsIn(params: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  const entries = Object.entries(params).filter(([key, value]) => isSentParam(key) && value !== undefined && value !== null);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** As in LiteLLM, `extra_body` overrides the body. Whether to stream stays the caller's choice. */
function fixedIn(params: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  const entries = Object.entries(addedFields(params)).filter(([key]) => key !== 'stream');
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
