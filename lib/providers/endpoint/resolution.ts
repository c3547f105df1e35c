import { nearestName } from '../../common/nearest-name.js';
import { modelWithoutRegion, regionInModel } from '../bedrock/region.js';
import { prefixFor, providerOfBareName } from './bare-models.js';
import { isKnownProvider, openAIWayOf, providerAt, providerNames, UNSPOKEN } from './provider-table.environment.js';

/** The part of a deployment that names its provider. */
export interface ModelFacts {
  /** `litellm_params.model`, or the part of a request that replaced its `*`. */
  readonly model: string;
  readonly custom_llm_provider?: unknown;
  /** The deployment's own `api_base`, if it has one. */
  readonly base?: URL;
  /** Whether the deployment names a project of Google's cloud. */
  readonly isInProject?: boolean;
}

/** The provider, and its name of the model. */
export interface ResolvedModel {
  readonly provider: string;
  /** Without the prefix that names the provider. */
  readonly model: string;
}

/** Why this name resolves to no provider. */
export interface UnresolvedModel {
  readonly reason: string;
  readonly remedy: string;
  /** The provider, where it is known but its protocol is not supported. */
  readonly provider?: string;
  /** The key of `litellm_params` to correct. */
  readonly key: 'model' | 'custom_llm_provider';
}

const LONGEST_SHOWN = 80;
/** `bedrock_mantle/us-west-2/openai.gpt-oss-120b`: the region is not part of the model. */
const MANTLE_REGION = /^([a-z]{2}(?:-[a-z]+){1,2}-\d)\//;
/** LiteLLM's fields for the model behind an Azure deployment; see `baseModelOf`. */
const AZURE_SERIES = /^(?:o_series|gpt5_series)\//;
/** LiteLLM's other ways to call Bedrock. */
const BEDROCK_ROUTE = /^(agent|agentcore|async_invoke|chat_completions|claude_platform|converse_like|invoke|mantle|openai)\//;
/** Models that Google serves by both the Gemini API and Vertex AI. */
const BY_TWO = /^(?:gemini-|text-embedding-00\d)/;

/**
 * Resolves a model as LiteLLM does: `custom_llm_provider`, a known prefix, the provider at
 * `api_base`, any other address (OpenAI's protocol), a name that belongs to one provider. Anything
 * else is rejected: a key must not go to a guessed host.
 */
export function resolveModel(facts: ModelFacts): ResolvedModel | UnresolvedModel {
  const { model, custom_llm_provider: custom, base, isInProject } = facts;
  if (typeof custom === 'string' && custom !== '') return byCustomProvider(model, custom);
  const slash = model.indexOf('/');
  const prefix = slash > 0 ? model.slice(0, slash) : '';
  if (isKnownProvider(prefix)) return spoken(prefix, cut(model, prefix), 'model');
  if (base !== undefined) return { provider: providerAt(base) ?? 'openai', model };
  const owner = slash < 0 ? providerOfBareName(model) : undefined;
  if (owner === undefined) return unknown(model, prefix);
  const resolved = spoken(owner, model, 'model');
  if (owner !== 'vertex_ai' || !BY_TWO.test(model) || isInProject === true) return resolved;
  return {
    ...resolved,
    key: 'model',
    reason: `${shown(model)} is served by two providers`,
    remedy: `write ${prefixFor(model)}`,
  };
}

/** The region in the name of a `bedrock_mantle` model. */
export function regionIn(model: string): string | undefined {
  return MANTLE_REGION.exec(model.slice(model.indexOf('/') + 1))?.[1];
}

/** The region in the name of a model at AWS, which its address has. */
export function regionOf(provider: string, model: string): string | undefined {
  if (provider === 'bedrock_mantle') return regionIn(model);
  return provider === 'bedrock' ? regionInModel(model) : undefined;
}

export function isResolved(resolution: ResolvedModel | UnresolvedModel): resolution is ResolvedModel {
  return !('reason' in resolution);
}

/** The last model: most calls repeat it. */
let lastModel = '';
let lastCustom: unknown = undefined;
let lastUpstream = '';

/**
 * Returns the provider's name for the model: `gpt-4o` for `openai/gpt-4o`; `meta-llama/Llama-3` is
 * kept.
 * @param custom `custom_llm_provider`: then only its own prefix is removed.
 */
export function upstreamModel(model: string, custom?: unknown): string {
  if (model === lastModel && custom === lastCustom) return lastUpstream;
  const slash = model.indexOf('/');
  const provider = typeof custom === 'string' && custom !== '' ? custom : model.slice(0, Math.max(slash, 0));
  lastUpstream = isKnownProvider(provider) ? cut(model, provider) : model;
  lastModel = model;
  lastCustom = custom;
  return lastUpstream;
}

/** LiteLLM prefixes the model with the provider, unless it has that prefix. */
function byCustomProvider(model: string, custom: string): ResolvedModel | UnresolvedModel {
  if (isKnownProvider(custom)) return spoken(custom, cut(model, custom), 'custom_llm_provider');
  const meant = nearestName(custom, providerNames());
  const remedy = meant === undefined ? 'use a provider that LiteLLM supports, or openai with an api_base' : `write ${meant}`;
  return { key: 'custom_llm_provider', reason: `unknown provider ${shown(custom)}`, remedy };
}

function spoken(provider: string, model: string, key: UnresolvedModel['key']): ResolvedModel | UnresolvedModel {
  if (UNSPOKEN.has(provider)) {
    return { key, provider, reason: `the protocol of ${provider} is not supported yet`, remedy: openAIWayOf(provider) };
  }
  const route = provider === 'bedrock' ? BEDROCK_ROUTE.exec(model)?.[1] : undefined;
  if (route !== undefined) {
    const reason = `the route ${route}/ of bedrock is not supported`;
    const compatible = 'openai/<model> with the api_base https://bedrock-runtime.<region>.amazonaws.com/openai/v1';
    return { key, provider, reason, remedy: `write bedrock/<model>, which is called through Converse, or ${compatible}` };
  }
  return { provider, model };
}

/** `openrouter/auto` is the model's full name at OpenRouter. */
function cut(model: string, prefix: string): string {
  if (!model.startsWith(`${prefix}/`)) return model;
  const rest = model.slice(prefix.length + 1);
  if (prefix === 'bedrock') return modelWithoutRegion(rest);
  if (prefix === 'bedrock_mantle') return rest.replace(MANTLE_REGION, '');
  if (prefix === 'azure') return rest.replace(AZURE_SERIES, '');
  return prefix === 'openrouter' && !rest.includes('/') && rest !== '*' ? model : rest;
}

function unknown(model: string, prefix: string): UnresolvedModel {
  const name = shown(model);
  if (prefix === '')
    return {
      key: 'model',
      reason: `the model ${name} has no provider prefix`,
      remedy: `add the prefix of its provider: ${prefixFor(model)}`,
    };
  const meant = nearestName(prefix, providerNames());
  const reason = `unknown provider ${shown(prefix)} in ${name}`;
  const typo = meant === undefined ? '' : `write ${meant}${shown(model.slice(prefix.length))} if you mean that; otherwise `;
  return { key: 'model', reason, remedy: `${typo}add the prefix of its provider (${prefixFor(model)}), or set api_base` };
}

function shown(text: string): string {
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}
