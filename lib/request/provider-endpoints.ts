import { InvalidArgumentError, InvalidConfigurationError } from '../common/errors.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import type { Deployment } from './call-router.js';
import { ProviderEndpoint } from './provider-endpoint.js';

/** What of a deployment's parameters is part of the request, where the request itself says nothing. */
const REQUEST_FIELDS = [
  'temperature',
  'top_p',
  'top_k',
  'n',
  'stop',
  'max_tokens',
  'max_completion_tokens',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'logprobs',
  'top_logprobs',
  'seed',
  'response_format',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'user',
  'reasoning_effort',
  'thinking',
  'verbosity',
  'service_tier',
  'dimensions',
] as const;

/** How a deployment is asked. */
export class KnownEndpoint {
  /** Whether it has refused to be asked for a stream's usage. */
  refusesStreamOptions = false;

  constructor(
    readonly endpoint: ProviderEndpoint,
    /** Fields for the request's body. */
    readonly defaults: Readonly<Record<string, unknown>> | undefined,
  ) {}
}

/** The addresses of deployments, each worked out when it is first needed. A deployment that is updated is another object. */
export class ProviderEndpoints {
  private readonly known = new WeakMap<Deployment, KnownEndpoint>();
  /** Of deployments for any provider (`*`), by provider: as many as there are with a well-known address. */
  private readonly ofAnyProvider = new WeakMap<Deployment, Map<string, KnownEndpoint>>();

  /** @param env Where the key of a well-known provider is looked up. */
  constructor(private readonly env: Environment) {}

  /**
   * @param called What is called there: where a deployment's model is `*`, without an address or a key, it says which provider is asked.
   * @throws InvalidConfigurationError where a deployment has no address; InvalidArgumentError where it is for any provider, and what is called names none.
   */
  of(deployment: Deployment, called: string): KnownEndpoint {
    let known = this.known.get(deployment);
    if (known !== undefined) return known;
    if (isForAnyProvider(deployment)) return this.ofProvider(deployment, called);
    known = read(deployment, deployment.model, this.env);
    this.known.set(deployment, known);
    return known;
  }

  private ofProvider(deployment: Deployment, called: string): KnownEndpoint {
    let byProvider = this.ofAnyProvider.get(deployment);
    if (byProvider === undefined) this.ofAnyProvider.set(deployment, (byProvider = new Map<string, KnownEndpoint>()));
    const provider = called.slice(0, Math.max(called.indexOf('/'), 0));
    let known = byProvider.get(provider);
    if (known === undefined) byProvider.set(provider, (known = readFor(deployment, called, this.env)));
    return known;
  }
}

function readFor(deployment: Deployment, called: string, env: Environment): KnownEndpoint {
  try {
    return read(deployment, called, env);
  } catch (error) {
    if (!(error instanceof InvalidConfigurationError)) throw error;
    throw new InvalidArgumentError('model', called, 'must name a provider with a well-known address that speaks the OpenAI protocol');
  }
}

function isForAnyProvider({ model, params }: Deployment): boolean {
  const { api_base: base, base_url: url, api_key: key, custom_llm_provider: provider } = params;
  return model === '*' && [base, url, key, provider].every((said) => said === undefined || said === null || said === '');
}

function read({ params, id }: Deployment, model: string, env: Environment): KnownEndpoint {
  return new KnownEndpoint(new ProviderEndpoint({ ...params, model }, id, env), defaultsIn(params));
}

function defaultsIn(params: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  const defaults: Record<string, unknown> = {};
  for (const field of REQUEST_FIELDS) if (params[field] !== undefined) defaults[field] = params[field];
  if (typeof params.extra_body === 'object' && params.extra_body !== null) Object.assign(defaults, params.extra_body);
  return Object.keys(defaults).length === 0 ? undefined : defaults;
}
