import { inspect, isDeepStrictEqual } from 'node:util';
import { ownFields } from '../../common/objects.js';
import { pricedUsage, type PricedUsage, type SourcedPrices, type UsageDetails } from '../../common/token-cost.js';
import type { Budget } from '../config/budget-settings.js';
import type { Uncallable } from './callability.js';
import type { DeploymentOutcomes } from '../state/outcomes.js';
import type { RoutingStrategy } from '../selection/strategies/strategy.js';

/** A deployment in the format of LiteLLM's `model_list`. Unknown keys are kept unchanged. */
export interface ModelListEntry {
  /**
   * The name that clients request: `gpt-4`, or a pattern, `openai/*`. Deployments with the same
   * name share its requests.
   */
  readonly model_name: string;
  /**
   * Model, address and limits: `model`, `api_base`, `api_key`, `rpm`, `tpm`, `weight`, `order`, …
   */
  readonly litellm_params: Readonly<{ model: string } & Record<string, unknown>>;
  /** Facts about the deployment: `id`, `max_input_tokens`, … */
  readonly model_info?: Readonly<Record<string, unknown>> | null;
  readonly [key: string]: unknown;
}

/** An entry of the model list, read and complete; defaults of the router included. */
export type DeploymentSettings = Omit<
  Deployment,
  'outcomes' | 'costPerToken' | 'costUsd' | 'priced' | 'blocked' | 'isSelectable' | 'equals' | 'toJSON' | typeof inspect.custom
> & {
  readonly priceOf: () => number;
};

/** The outcomes, and the prices, which follow from the parameters. */
const UNCOMPARED: ReadonlySet<PropertyKey> = new Set(['outcomes', 'priceOf', 'pricesOf']);
const NO_OUTCOMES: DeploymentOutcomes = { success: 0, failure: 0, refused: 0, successMs: 0 };
/** Parameters that may be shown. Any other may hold a secret: keys, headers, bodies. */
const SHOWN = new Set([
  'model',
  'api_version',
  'rpm',
  'tpm',
  'weight',
  'order',
  'max_parallel_requests',
  'timeout',
  'stream_timeout',
  'tags',
  'cooldown_time',
  'region_name',
  'input_cost_per_token',
  'output_cost_per_token',
]);

/**
 * An upstream endpoint: a parsed entry of the model list. When printed, logged or serialized it
 * shows no key, header or credential; they are in `params`, for the code that calls the endpoint.
 */
export class Deployment {
  /**
   * `model_info.id`, otherwise a name derived from the entry:
   * `chat/azure/gpt-4o@eu.openai.azure.com~1f3a90bc`.
   */
  declare readonly id: string;
  /** Name of its model group. */
  declare readonly modelName: string;
  /** `litellm_params.model`, with its provider and, in a pattern, its `*`. */
  declare readonly model: string;
  /** `azure` for `azure/gpt-4`, `anthropic` for `claude-sonnet-4-5`. */
  declare readonly provider: string;
  /** Why it cannot be called; such a deployment is never selected. */
  declare readonly uncallable: Uncallable | undefined;
  /** `litellm_params`, with `os.environ/NAME` resolved; includes keys and credentials. */
  declare readonly params: Readonly<Record<string, unknown>>;
  declare readonly info: Readonly<Record<string, unknown>>;
  /** The original entry. */
  declare readonly source: ModelListEntry;
  /** Requests per minute; `Infinity` without a limit; 0 takes the deployment out of rotation. */
  declare readonly rpm: number;
  declare readonly tpm: number;
  declare readonly maxParallelRequests: number;
  declare readonly maxInputTokens: number;
  /** Weight; `NaN` if none is set. */
  declare readonly weight: number;
  /** Priority tier: the lowest is tried first; `Infinity` if none is set. */
  declare readonly order: number;
  declare readonly tags: readonly string[];
  declare readonly cooldownMs: number | undefined;
  declare readonly allowedFails: number | undefined;
  declare readonly allowedFailsPolicy: Readonly<Record<string, number>> | undefined;
  declare readonly timeoutMs: number | undefined;
  declare readonly streamTimeoutMs: number | undefined;
  declare readonly numRetries: number | undefined;
  /** Strategy of its model group, if this deployment sets one. */
  declare readonly strategy: RoutingStrategy | undefined;
  /** `max_budget` per `budget_duration`. */
  declare readonly budget: Budget | undefined;
  /**
   * Returns the prices of the called model: the deployment's own (if only one of input and output
   * has a price, the other is free), otherwise the app's prices for the model.
   */
  declare readonly pricesOf: (called: string) => readonly SourcedPrices[];
  /** Finished calls in this process, including those of an earlier deployment with the same id. */
  outcomes: DeploymentOutcomes = NO_OUTCOMES;

  private readonly priceOf: DeploymentSettings['priceOf'];

  constructor({ priceOf, ...settings }: DeploymentSettings) {
    Object.assign(this, settings, { params: guarded(settings.params) });
    this.priceOf = priceOf;
  }

  /** USD for an input token and an output token; higher than any real price if none is known. */
  get costPerToken(): number {
    return this.priceOf();
  }

  /**
   * Returns the cost of a call in USD; `undefined` without a price.
   * @param called The model that was called, because a pattern (`openai/*`) has no price. Default:
   * the deployment's model.
   * @param details The part of these tokens that has its own prices.
   */
  costUsd(promptTokens: number, completionTokens: number, called = this.model, details?: UsageDetails): number | undefined {
    return this.priced(promptTokens, completionTokens, called, details)?.usd;
  }

  /** Returns the cost of a call by part, and the source of the prices. */
  priced(promptTokens: number, completionTokens: number, called = this.model, details?: UsageDetails): PricedUsage | undefined {
    return pricedUsage(this.pricesOf(called), promptTokens, completionTokens, details);
  }

  /** Whether a limit of 0 blocks all requests. */
  get blocked(): boolean {
    return this.rpm === 0 || this.tpm === 0 || this.maxParallelRequests === 0;
  }

  /** Whether it can ever be selected. */
  get isSelectable(): boolean {
    return this.uncallable === undefined && !this.blocked;
  }

  /** Whether another one was read from an equal entry, under equal settings. */
  equals(other: Deployment): boolean {
    const keys = Object.keys(this) as (keyof this & keyof Deployment)[];
    return keys.every((key) => UNCOMPARED.has(key) || isDeepStrictEqual(this[key], other[key]));
  }

  /** Returns the deployment without keys, headers and credentials. */
  toJSON(): Record<string, unknown> {
    return { id: this.id, model_name: this.modelName, litellm_params: shown(this.params), tags: this.tags };
  }

  /** The same for `console.log`. */
  [inspect.custom](): unknown {
    return this.toJSON();
  }
}

/** `base_model` of `litellm_params`, else of `model_info`, as in LiteLLM. */
export function namedBaseModel({ params, info }: Pick<DeploymentSettings, 'params' | 'info'>): string | undefined {
  const { base_model: name } = params;
  if (typeof name === 'string' && name !== '') return name;
  const { base_model: other } = info;
  return typeof other === 'string' && other !== '' ? other : undefined;
}

/** Returns the parameters, which print no secret either. */
function guarded(params: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const show = { enumerable: false, value: () => shown(params) };
  return Object.freeze(Object.defineProperties(ownFields(params), { toJSON: show, [inspect.custom]: show }));
}

function shown(params: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(params).filter(([key]) => SHOWN.has(key));
  const base = params.api_base ?? params.base_url;
  if (typeof base === 'string' && URL.canParse(base)) entries.push(['api_base', new URL(base).origin]);
  return Object.fromEntries(entries);
}
