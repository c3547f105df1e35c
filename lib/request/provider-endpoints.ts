import type { Deployment } from './call-router.js';
import { ProviderEndpoint } from './provider-endpoint.js';

/** What of a deployment's parameters is part of the request, where the request itself says nothing. */
const REQUEST_FIELDS = [
  'temperature',
  'top_p',
  'n',
  'stop',
  'max_tokens',
  'max_completion_tokens',
  'presence_penalty',
  'frequency_penalty',
  'seed',
  'response_format',
  'user',
  'reasoning_effort',
] as const;

/** How a deployment is asked. */
export interface KnownEndpoint {
  readonly endpoint: ProviderEndpoint;
  /** Fields for the request's body. */
  readonly defaults: Readonly<Record<string, unknown>> | undefined;
}

/** The addresses of deployments, each worked out when it is first needed. A deployment that is updated is another object. */
export class ProviderEndpoints {
  private readonly known = new WeakMap<Deployment, KnownEndpoint>();

  /** @throws InvalidArgumentError where a deployment has no address. */
  of(deployment: Deployment): KnownEndpoint {
    let known = this.known.get(deployment);
    if (known === undefined) {
      const { params, id, model } = deployment;
      known = { endpoint: new ProviderEndpoint({ ...params, model }, id), defaults: defaultsIn(params) };
      this.known.set(deployment, known);
    }
    return known;
  }
}

function defaultsIn(params: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  const defaults: Record<string, unknown> = {};
  for (const field of REQUEST_FIELDS) if (params[field] !== undefined) defaults[field] = params[field];
  if (typeof params.extra_body === 'object' && params.extra_body !== null) Object.assign(defaults, params.extra_body);
  return Object.keys(defaults).length === 0 ? undefined : defaults;
}
