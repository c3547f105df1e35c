import { basicAuthorization, decoded } from '../common/basic-authorization.js';
import { InvalidArgumentError } from '../common/errors.js';

/** What of a deployment's `litellm_params` says where and how it is reached. */
export interface EndpointParams {
  readonly model: string;
  readonly custom_llm_provider?: unknown;
  readonly api_base?: unknown;
  readonly base_url?: unknown;
  readonly api_key?: unknown;
  readonly api_version?: unknown;
  readonly organization?: unknown;
  readonly headers?: unknown;
  readonly extra_headers?: unknown;
}

/** Providers that speak OpenAI's protocol, and where, unless `api_base` says otherwise. */
const WELL_KNOWN: Readonly<Record<string, string>> = {
  openai: 'https://api.openai.com/v1',
  anthropic: 'https://api.anthropic.com/v1',
  cerebras: 'https://api.cerebras.ai/v1',
  deepinfra: 'https://api.deepinfra.com/v1/openai',
  deepseek: 'https://api.deepseek.com/v1',
  fireworks_ai: 'https://api.fireworks.ai/inference/v1',
  gemini: 'https://generativelanguage.googleapis.com/v1beta/openai',
  groq: 'https://api.groq.com/openai/v1',
  mistral: 'https://api.mistral.ai/v1',
  nvidia_nim: 'https://integrate.api.nvidia.com/v1',
  ollama: 'http://127.0.0.1:11434/v1',
  ollama_chat: 'http://127.0.0.1:11434/v1',
  openrouter: 'https://openrouter.ai/api/v1',
  perplexity: 'https://api.perplexity.ai',
  together_ai: 'https://api.together.xyz/v1',
  xai: 'https://api.x.ai/v1',
};
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
/** Those whose `api_base` LiteLLM takes without the version in its path. */
const WITHOUT_VERSION = new Set(['anthropic', 'ollama', 'ollama_chat']);
const DEFAULT_AZURE_VERSION = '2024-10-21';

/** A deployment's address, worked out once. */
export class ProviderEndpoint {
  readonly provider: string;
  readonly origin: string;
  /** Names and values by turns, as undici takes them. */
  readonly headers: readonly string[];
  private readonly base: string;
  private readonly azureQuery: string | undefined;
  private readonly secrets: readonly string[];

  /** @throws InvalidArgumentError where there is no address, or a wrong one; the address itself is not shown, for it may hold a password. */
  constructor(params: EndpointParams, deploymentId: string, env: Readonly<Record<string, string | undefined>> = process.env) {
    const given = params.api_base ?? params.base_url;
    this.provider = providerOf(params, text(given) !== undefined);
    const url = parseBase(given ?? WELL_KNOWN[this.provider], deploymentId);
    this.origin = url.origin;
    const path = url.pathname.replace(/\/+$/, '');
    this.base = path === '' && WITHOUT_VERSION.has(this.provider) ? '/v1' : path;
    const isAzure = this.provider === 'azure';
    // Azure's newer addresses are plain ones.
    if (isAzure && !/\/openai\/v1$/.test(path)) {
      this.azureQuery = `?api-version=${encodeURIComponent(text(params.api_version) ?? DEFAULT_AZURE_VERSION)}`;
    }
    // The key of a well-known provider must not go to an address that somebody else chose.
    const key = text(params.api_key) ?? (given === undefined ? env[`${this.provider.toUpperCase()}_API_KEY`] : undefined);
    const headers: string[] = ['content-type', 'application/json'];
    if (url.username !== '' || url.password !== '') {
      headers.push('authorization', basicAuthorization(url));
    } else if (key !== undefined) {
      headers.push(...(isAzure ? ['api-key', key] : ['authorization', `Bearer ${key}`]));
    }
    const organization = text(params.organization);
    if (organization !== undefined) headers.push('openai-organization', organization);
    for (const more of [params.headers, params.extra_headers]) {
      if (typeof more !== 'object' || more === null) continue;
      for (const [name, value] of Object.entries(more)) headers.push(name.toLowerCase(), String(value));
    }
    this.headers = headers;
    this.secrets = [key, decoded(url.password)].filter((secret): secret is string => secret !== undefined && secret.length > 3);
  }

  /** The path of an operation (`/chat/completions`) for a model of this deployment. */
  pathOf(operation: string, model: string): string {
    if (this.azureQuery === undefined) return this.base + operation;
    return `${this.base}/openai/deployments/${encodeURIComponent(model)}${operation}${this.azureQuery}`;
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

function parseBase(base: unknown, deploymentId: string): URL {
  const path = `deployment ${deploymentId}: litellm_params.api_base`;
  if (base === undefined || base === null || base === '') {
    throw new InvalidArgumentError(
      path,
      undefined,
      'must be given: this provider has no well-known address that speaks the OpenAI protocol',
    );
  }
  const url = typeof base === 'string' && URL.canParse(base) ? new URL(base) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') throw new InvalidArgumentError(path, {}, 'must be an http or https URL');
  return url;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
