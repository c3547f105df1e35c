import { inspect } from 'node:util';
import type { UsageDetails } from '../../common/token-cost.js';
import type { Budget } from '../config/budget-settings.js';
import type { Uncallable } from './callability.js';
import type { DeploymentOutcomes } from '../state/outcomes.js';
import type { RoutingStrategy } from '../selection/strategies/strategies.js';

/** A deployment as LiteLLM's `model_list` has it. Keys that are not named here are kept as they are. */
export interface ModelListEntry {
  /** What requests ask for: `gpt-4`, or a pattern, `openai/*`. Deployments of one name share its requests. */
  readonly model_name: string;
  /** What is called, and how: `model`, `api_base`, `api_key`, `rpm`, `tpm`, `weight`, `order`, … */
  readonly litellm_params: Readonly<{ model: string } & Record<string, unknown>>;
  /** What is known of it: `id`, `max_input_tokens`, … */
  readonly model_info?: Readonly<Record<string, unknown>> | null;
  readonly [key: string]: unknown;
}

/** What a deployment's own settings say, or those of the router as far as they are defaults. */
export interface DeploymentSettings {
  readonly id: string;
  readonly modelName: string;
  readonly model: string;
  readonly provider: string;
  readonly uncallable: Uncallable | undefined;
  readonly params: Readonly<Record<string, unknown>>;
  readonly info: Readonly<Record<string, unknown>>;
  readonly source: ModelListEntry;
  readonly rpm: number;
  readonly tpm: number;
  readonly maxParallelRequests: number;
  readonly maxInputTokens: number;
  readonly weight: number;
  readonly order: number;
  readonly costPerToken: () => number;
  readonly costOf: (promptTokens: number, completionTokens: number, called: string, details?: UsageDetails) => number | undefined;
  readonly budget: Budget | undefined;
  readonly tags: readonly string[];
  readonly cooldownMs: number | undefined;
  readonly allowedFails: number | undefined;
  readonly allowedFailsPolicy: Readonly<Record<string, number>> | undefined;
  readonly timeoutMs: number | undefined;
  readonly streamTimeoutMs: number | undefined;
  readonly numRetries: number | undefined;
  readonly strategy: RoutingStrategy | undefined;
}

const NO_OUTCOMES: DeploymentOutcomes = { success: 0, failure: 0 };
/** Parameters that may be shown. All others may hold a secret: keys, headers, bodies. */
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
 * Something that answers for a model: an entry of the model list, read and complete. Printed, logged or turned into JSON it shows no key, header or
 * credential; `params` has them, for whoever calls it.
 */
export class Deployment {
  /** `model_info.id`, else a name made of the entry: `chat/azure/gpt-4o@eu.openai.azure.com~1f3a90bc`. */
  readonly id: string;
  /** The name of its group. */
  readonly modelName: string;
  /** `litellm_params.model`, with its provider and, in a pattern, its `*`. */
  readonly model: string;
  /** `azure` of `azure/gpt-4`, `anthropic` of `claude-sonnet-4-5`. */
  readonly provider: string;
  /** Why it cannot be called: it is never selected then. */
  readonly uncallable: Uncallable | undefined;
  /** `litellm_params`, with `os.environ/NAME` resolved: keys and credentials included. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly info: Readonly<Record<string, unknown>>;
  /** The entry itself, as it was given. */
  readonly source: ModelListEntry;
  /** Requests a minute; `Infinity` without a limit, 0 takes it out. */
  readonly rpm: number;
  readonly tpm: number;
  readonly maxParallelRequests: number;
  readonly maxInputTokens: number;
  /** `NaN` where none is set. */
  readonly weight: number;
  /** The lowest is tried first; `Infinity` where none is set. */
  readonly order: number;
  readonly tags: readonly string[];
  readonly cooldownMs: number | undefined;
  readonly allowedFails: number | undefined;
  readonly allowedFailsPolicy: Readonly<Record<string, number>> | undefined;
  readonly timeoutMs: number | undefined;
  readonly streamTimeoutMs: number | undefined;
  readonly numRetries: number | undefined;
  /** Its group's strategy, as far as this deployment says. */
  readonly strategy: RoutingStrategy | undefined;

  /** What may be spent on it: `max_budget` in `budget_duration`. */
  readonly budget: Budget | undefined;
  /** Calls that came back from it: what the router's metrics tell. Of this process alone, and with those of who had its id before. */
  outcomes: DeploymentOutcomes = NO_OUTCOMES;

  private readonly priceOf: () => number;
  private readonly costOf: DeploymentSettings['costOf'];

  constructor(settings: DeploymentSettings) {
    this.id = settings.id;
    this.modelName = settings.modelName;
    this.model = settings.model;
    this.provider = settings.provider;
    this.uncallable = settings.uncallable;
    this.params = guarded(settings.params);
    this.info = settings.info;
    this.source = settings.source;
    this.rpm = settings.rpm;
    this.tpm = settings.tpm;
    this.maxParallelRequests = settings.maxParallelRequests;
    this.maxInputTokens = settings.maxInputTokens;
    this.weight = settings.weight;
    this.order = settings.order;
    this.priceOf = settings.costPerToken;
    this.costOf = settings.costOf;
    this.budget = settings.budget;
    this.tags = settings.tags;
    this.cooldownMs = settings.cooldownMs;
    this.allowedFails = settings.allowedFails;
    this.allowedFailsPolicy = settings.allowedFailsPolicy;
    this.timeoutMs = settings.timeoutMs;
    this.streamTimeoutMs = settings.streamTimeoutMs;
    this.numRetries = settings.numRetries;
    this.strategy = settings.strategy;
  }

  /** USD for a token in and a token out; larger than any price where none is known. */
  get costPerToken(): number {
    return this.priceOf();
  }

  /**
   * What a call costs in USD, by the deployment's own prices, of which a side that is not set is free, else by those that the app knows of the model;
   * `undefined` where there are none.
   * @param called What was called there: a pattern (`openai/*`) has no price. Default: its own model.
   * @param details Of these tokens, those that have prices of their own.
   */
  costUsd(promptTokens: number, completionTokens: number, called = this.model, details?: UsageDetails): number | undefined {
    return this.costOf(promptTokens, completionTokens, called, details);
  }

  /** Whether nothing may ever be sent to it: a limit of 0. */
  get blocked(): boolean {
    return this.rpm === 0 || this.tpm === 0 || this.maxParallelRequests === 0;
  }

  /** Whether it may ever be selected. */
  get isSelectable(): boolean {
    return this.uncallable === undefined && !this.blocked;
  }

  /** The deployment without keys, headers and credentials. */
  toJSON(): Record<string, unknown> {
    return { id: this.id, model_name: this.modelName, litellm_params: shown(this.params), tags: this.tags };
  }

  /** The same for `console.log`. */
  [inspect.custom](): unknown {
    return this.toJSON();
  }
}

/** The parameters themselves, that show themselves as little as the deployment does. */
function guarded(params: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const show = { enumerable: false, value: () => shown(params) };
  return Object.freeze(Object.defineProperties({ ...params }, { toJSON: show, [inspect.custom]: show }));
}

function shown(params: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(params).filter(([key]) => SHOWN.has(key));
  const base = params.api_base ?? params.base_url;
  if (typeof base === 'string' && URL.canParse(base)) entries.push(['api_base', new URL(base).origin]);
  return Object.fromEntries(entries);
}
