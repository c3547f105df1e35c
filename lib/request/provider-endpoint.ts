import { decoded } from '../common/basic-authorization.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import { addressOf, WELL_KNOWN, type ProviderAddress } from './provider-address.js';
import { headersOf, secretsIn, secretsInQuery, type HeaderParams } from './provider-headers.js';

/** What of a deployment's `litellm_params` says where and how it is reached. */
export interface EndpointParams extends HeaderParams {
  readonly model: string;
  readonly custom_llm_provider?: unknown;
  readonly api_base?: unknown;
  readonly base_url?: unknown;
  readonly api_key?: unknown;
  readonly azure_ad_token?: unknown;
  readonly api_version?: unknown;
}

/** Prefixes of a model's name that are no part of it, though their address has to be given. */
const PREFIXES = new Set([
  ...Object.keys(WELL_KNOWN),
  'azure',
  'azure_ai',
  'custom_openai',
  'hosted_vllm',
  'litellm_proxy',
  'lm_studio',
  'openai_like',
]);
/** Whom LiteLLM calls otherwise in the names of variables. */
const IN_VARIABLES: Readonly<Record<string, string>> = { fireworks_ai: 'fireworks', perplexity: 'perplexityai', together_ai: 'togetherai' };

/** A deployment's address, worked out once. */
export class ProviderEndpoint {
  readonly provider: string;
  readonly origin: string;
  /** Names and values by turns, as undici takes them. */
  readonly headers: readonly string[];
  private readonly address: ProviderAddress;
  private readonly secrets: readonly string[];

  /** @throws InvalidConfigurationError where there is no address, or a wrong one, or what is no header; none of it is shown. */
  constructor(params: EndpointParams, deploymentId: string, env: Environment) {
    const given = said(params.api_base) ?? said(params.base_url);
    this.provider = providerOf(params, text(given) !== undefined);
    const around = given === undefined ? new ProviderEnvironment(this.provider, env) : undefined;
    const version = text(params.api_version) ?? around?.of('api_version');
    this.address = addressOf(this.provider, given ?? around?.of('base_url') ?? around?.of('api_base'), version, deploymentId);
    const { url } = this.address;
    this.origin = url.origin;
    // The key of a well-known provider must not go to an address that somebody else chose.
    const key = text(params.api_key) ?? around?.of('api_key');
    const token = this.provider === 'azure' ? text(params.azure_ad_token) : undefined;
    this.headers = headersOf(params, this.address, { key, token }, deploymentId);
    this.secrets = [...secretsIn(this.headers), ...secretsInQuery(url), decoded(url.password)].filter((secret) => secret.length > 3);
  }

  /** The path of an operation (`/chat/completions`) for a model of this deployment. */
  pathOf(operation: string, model: string): string {
    const { base, query, namesDeployment } = this.address;
    if (!namesDeployment) return base + operation + query;
    return `${base}/openai/deployments/${encodeURIComponent(model)}${operation}${query}`;
  }

  /** `message` without the deployment's secrets: some providers repeat the key that they refuse. */
  redact(message: string): string {
    let clean = message;
    for (const secret of this.secrets) if (clean.includes(secret)) clean = clean.replaceAll(secret, '***');
    return clean;
  }
}

/** Most calls are of the model of the call before. */
let lastModel = '';
let lastUpstream = '';

/** A model as its provider knows it: `openai/gpt-4o` is `gpt-4o` there; `meta-llama/Llama-3` stays. */
export function upstreamModel(model: string): string {
  if (model === lastModel) return lastUpstream;
  const slash = model.indexOf('/');
  lastUpstream = slash > 0 && PREFIXES.has(model.slice(0, slash)) ? model.slice(slash + 1) : model;
  lastModel = model;
  return lastUpstream;
}

function providerOf({ model, custom_llm_provider }: EndpointParams, hasAddress: boolean): string {
  if (typeof custom_llm_provider === 'string' && custom_llm_provider !== '') return custom_llm_provider;
  const slash = model.indexOf('/');
  const prefix = slash > 0 ? model.slice(0, slash) : '';
  // At an address of its own, a slash belongs to the model: `meta-llama/Llama-3`. Without one it names who is asked, and a key is for nobody else.
  return PREFIXES.has(prefix) || (prefix !== '' && !hasAddress) ? prefix : 'openai';
}

/** What the environment says of a provider, as LiteLLM names it: its key, and the address that this key is for. */
class ProviderEnvironment {
  constructor(
    private readonly provider: string,
    private readonly env: Environment,
  ) {}

  of(what: 'api_key' | 'api_base' | 'base_url' | 'api_version'): string | undefined {
    const named = (name: string): string | undefined => text(this.env[`${name}_${what}`.toUpperCase()]);
    return named(this.provider) ?? named(IN_VARIABLES[this.provider] ?? this.provider);
  }
}

/** An empty text is nothing: of a variable that is set so. */
function said(value: unknown): unknown {
  return value === null || value === '' ? undefined : value;
}

/** Without white space around it: what is read from a file often ends with its line. */
function text(value: unknown): string | undefined {
  const trimmed = typeof value === 'string' ? value.trim() : '';
  return trimmed === '' ? undefined : trimmed;
}
