import {
  checkArray,
  checkBoolean,
  checkInteger,
  checkKnownKeys,
  checkNumber,
  checkObject,
  checkString,
  joinPath,
  optional,
  refuseOption,
  type Refuse,
} from '../common/options.js';
import { readProviderBudgets, type Budget } from './config/budget-settings.js';
import type { CustomRoutingStrategy } from './selection/strategies/custom.js';
import { readFallbacks, type Fallbacks, type FallbackTable } from './fallbacks.js';
import { checkErrorPolicy, type PolicyEnding } from './config/error-policies.js';
import { MOST_SAMPLES } from './state/memory.js';
import { checkStrategy } from './selection/strategies/registry.js';
import type { RoutingStrategy } from './selection/strategies/strategy.js';

/** How the router selects deployments, when it puts them in cooldown, and how calls are retried. */
export interface RouterSettings {
  /** Name of a strategy (LiteLLM's names are accepted), or a function. Default `simple_shuffle`. */
  readonly strategy?: RoutingStrategy | (string & {}) | CustomRoutingStrategy;
  /** Settings of the strategy `latency_based`. */
  readonly strategyOptions?: {
    /** `latency_based`: samples expire after this time. Default 3,600,000. */
    readonly sampleTtlMs?: number;
    /** `latency_based`: how many of the last samples count. 1 to 16, default 10. */
    readonly maxSamples?: number;
    /**
     * `latency_based`: deployments within this share of the lowest latency count as equal. Default
     * 0.
     */
    readonly lowestLatencyBuffer?: number;
  };
  /** Strategies for some models. */
  readonly routingGroups?: readonly RoutingGroup[];
  /** Aliases of models. A hidden one is not listed. */
  readonly modelGroupAlias?: Readonly<Record<string, string | { readonly model: string; readonly hidden?: boolean }>>;
  /**
   * `true`: rpm and tpm limit under every strategy, not only by latency, cost and usage; `false`:
   * context windows are not checked.
   */
  readonly enablePreCallChecks?: boolean;
  /** Whether the `tags` of a request restrict its deployments. Default `false`. */
  readonly enableTagFiltering?: boolean;
  /** Whether a deployment must have all tags of a request. Default `false`: one of them. */
  readonly tagFilteringMatchAll?: boolean;
  /** Duration of a cooldown. Default 5,000. */
  readonly cooldownMs?: number;
  /** Disables cooldowns. Default `false`. */
  readonly disableCooldowns?: boolean;
  /** Failures allowed before a cooldown. Replaces the rule by share. */
  readonly allowedFails?: number;
  /** The same per class of error: `RateLimitErrorAllowedFails`, … */
  readonly allowedFailsPolicy?: Readonly<Record<string, number>>;
  /**
   * Whether a connection that fails counts as a failure of the deployment. Default `false`, as in
   * LiteLLM.
   */
  readonly countConnectionErrors?: boolean;
  /**
   * Budgets of providers (`openai`, `azure`, …) over all their deployments; a deployment's own is
   * its `max_budget` per `budget_duration`.
   */
  readonly providerBudgets?: Readonly<Record<string, Budget>>;
  /**
   * Whether limits that providers tell in their headers, and a 429, hold back further requests to
   * the same quota (provider, account, key and model). Default `false`: as in LiteLLM, a 429 only
   * puts its deployment in cooldown.
   */
  readonly learnLimits?: boolean;
  /** Limit for deployments without `max_parallel_requests`. */
  readonly defaultMaxParallelRequests?: number;
  /**
   * Whether invalid entries of the model list are left out and reported instead of being an error.
   * Default `false`.
   */
  readonly ignoreInvalidDeployments?: boolean;
  /** Retries of a request, each on a newly selected deployment. Default 2. */
  readonly numRetries?: number;
  /** Minimum wait before a retry. Default 0. */
  readonly retryAfterMs?: number;
  /** Retries per class of error: `TimeoutErrorRetries`, … */
  readonly retryPolicy?: Readonly<Record<string, number>>;
  /** The same for single model groups. */
  readonly modelGroupRetryPolicy?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Longest time of an attempt (of a stream: to its first chunk). Default 6,000,000. */
  readonly timeoutMs?: number;
  /** Longest wait for the first chunk of a stream. */
  readonly streamTimeoutMs?: number;
  /** Models to call when one fails, in LiteLLM's forms. */
  readonly fallbacks?: Fallbacks;
  /** Fallbacks for prompts that are too long, in the same forms. */
  readonly contextWindowFallbacks?: Fallbacks;
  /** Fallbacks for prompts that a content filter rejects, in the same forms. */
  readonly contentPolicyFallbacks?: Fallbacks;
  /** Fallbacks of models without their own, and of unknown names. */
  readonly defaultFallbacks?: readonly string[];
  /** Upper bound of the fallbacks of one request. Default 5. */
  readonly maxFallbacks?: number;
}

/** Models that share a strategy. */
export interface RoutingGroup {
  /** Any name; only logs show it. */
  readonly groupName: string;
  /** Names of model groups. */
  readonly models: readonly string[];
  /** By its name here or by LiteLLM's. */
  readonly strategy: RoutingStrategy | (string & {});
}

/** The settings, checked and complete. */
export interface ResolvedRouterSettings {
  readonly strategy: RoutingStrategy | CustomRoutingStrategy;
  readonly sampleTtlMs: number;
  readonly maxSamples: number;
  readonly lowestLatencyBuffer: number;
  readonly strategyOfModel: ReadonlyMap<string, RoutingStrategy>;
  readonly aliases: ReadonlyMap<string, { readonly model: string; readonly hidden: boolean }>;
  readonly enablePreCallChecks: boolean | undefined;
  readonly enableTagFiltering: boolean;
  readonly tagFilteringMatchAll: boolean;
  readonly cooldownMs: number;
  readonly disableCooldowns: boolean;
  readonly allowedFails: number | undefined;
  readonly allowedFailsPolicy: Readonly<Record<string, number>> | undefined;
  readonly countConnectionErrors: boolean;
  readonly providerBudgets: ReadonlyMap<string, Budget>;
  readonly learnLimits: boolean;
  readonly defaultMaxParallelRequests: number | undefined;
  readonly ignoreInvalidDeployments: boolean;
  readonly numRetries: number;
  readonly retryAfterMs: number;
  readonly retryPolicy: Readonly<Record<string, number>>;
  readonly modelGroupRetryPolicy: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly timeoutMs: number;
  readonly streamTimeoutMs: number | undefined;
  readonly fallbacks: Readonly<Record<'general' | 'context_window' | 'content_policy', FallbackTable>>;
  readonly defaultFallbacks: readonly string[];
  readonly maxFallbacks: number;
}

export const SETTING_KEYS: readonly (keyof RouterSettings)[] = [
  'strategy',
  'strategyOptions',
  'routingGroups',
  'modelGroupAlias',
  'enablePreCallChecks',
  'enableTagFiltering',
  'tagFilteringMatchAll',
  'cooldownMs',
  'disableCooldowns',
  'allowedFails',
  'allowedFailsPolicy',
  'countConnectionErrors',
  'providerBudgets',
  'learnLimits',
  'defaultMaxParallelRequests',
  'ignoreInvalidDeployments',
  'numRetries',
  'retryAfterMs',
  'retryPolicy',
  'modelGroupRetryPolicy',
  'timeoutMs',
  'streamTimeoutMs',
  'fallbacks',
  'contextWindowFallbacks',
  'contentPolicyFallbacks',
  'defaultFallbacks',
  'maxFallbacks',
];

/** LiteLLM's default. */
export const DEFAULT_TIMEOUT_MS = 6_000_000;

const NO_FALLBACKS: FallbackTable = new Map();

/**
 * @param paths where settings were written under other names
 * @throws InvalidConfigurationError naming the setting (`router.cooldownMs`), or what `refuse`
 * makes instead.
 */
export function resolveRouterSettings(
  input: RouterSettings,
  path: string,
  refuse: Refuse = refuseOption,
  paths?: ReadonlyMap<keyof RouterSettings, string>,
): ResolvedRouterSettings {
  const at = (key: keyof RouterSettings): string => paths?.get(key) ?? joinPath(path, key);
  const flag = (key: keyof RouterSettings): boolean => optional(input[key], false, (value) => checkBoolean(at(key), value, refuse));
  const amount = <D>(key: keyof RouterSettings, fallback: D): number | D =>
    optional(input[key], fallback, (value) => checkNumber(at(key), value, { min: 0 }, refuse));
  const count = <D>(key: keyof RouterSettings, fallback: D): number | D =>
    optional(input[key], fallback, (value) => checkInteger(at(key), value, { min: 0 }, refuse));
  const policy = (key: keyof RouterSettings, ending: PolicyEnding): Readonly<Record<string, number>> | undefined =>
    optional(input[key], undefined, (value) => checkErrorPolicy(at(key), value, ending, refuse));
  const chains = (key: keyof RouterSettings): FallbackTable =>
    optional(input[key], NO_FALLBACKS, (value) => readFallbacks(at(key), value, refuse));
  const strategyOptions = checkObject(at('strategyOptions'), input.strategyOptions ?? {}, refuse);
  checkKnownKeys(at('strategyOptions'), strategyOptions, ['sampleTtlMs', 'maxSamples', 'lowestLatencyBuffer'], refuse);
  const ofStrategy = (key: string, fallback: number, min: number, max?: number): number =>
    optional(strategyOptions[key], fallback, (value) => checkNumber(joinPath(at('strategyOptions'), key), value, { min, max }, refuse));
  const groupPolicies = checkObject(at('modelGroupRetryPolicy'), input.modelGroupRetryPolicy ?? {}, refuse);

  return {
    strategy: optional(input.strategy, 'simple_shuffle', (value) =>
      typeof value === 'function' ? (value as CustomRoutingStrategy) : checkStrategy(at('strategy'), value, refuse),
    ),
    sampleTtlMs: ofStrategy('sampleTtlMs', 3_600_000, 1),
    maxSamples: Math.floor(ofStrategy('maxSamples', 10, 1, MOST_SAMPLES)),
    lowestLatencyBuffer: ofStrategy('lowestLatencyBuffer', 0, 0),
    strategyOfModel: readRoutingGroups(at('routingGroups'), input.routingGroups ?? [], refuse),
    aliases: readAliases(at('modelGroupAlias'), input.modelGroupAlias ?? {}, refuse),
    enablePreCallChecks: optional(input.enablePreCallChecks, undefined, (value) => checkBoolean(at('enablePreCallChecks'), value, refuse)),
    enableTagFiltering: flag('enableTagFiltering'),
    tagFilteringMatchAll: flag('tagFilteringMatchAll'),
    cooldownMs: amount('cooldownMs', 5_000),
    disableCooldowns: flag('disableCooldowns'),
    allowedFails: count('allowedFails', undefined),
    allowedFailsPolicy: policy('allowedFailsPolicy', 'AllowedFails'),
    countConnectionErrors: flag('countConnectionErrors'),
    providerBudgets: readProviderBudgets(at('providerBudgets'), input.providerBudgets ?? {}, refuse),
    learnLimits: flag('learnLimits'),
    defaultMaxParallelRequests: count('defaultMaxParallelRequests', undefined),
    ignoreInvalidDeployments: flag('ignoreInvalidDeployments'),
    numRetries: count('numRetries', 2),
    retryAfterMs: amount('retryAfterMs', 0),
    retryPolicy: policy('retryPolicy', 'Retries') ?? {},
    modelGroupRetryPolicy: Object.fromEntries(
      Object.entries(groupPolicies).map(([model, ofGroup]) => [
        model,
        checkErrorPolicy(joinPath(at('modelGroupRetryPolicy'), model), ofGroup, 'Retries', refuse),
      ]),
    ),
    timeoutMs: amount('timeoutMs', DEFAULT_TIMEOUT_MS),
    streamTimeoutMs: amount('streamTimeoutMs', undefined),
    fallbacks: {
      general: chains('fallbacks'),
      context_window: chains('contextWindowFallbacks'),
      content_policy: chains('contentPolicyFallbacks'),
    },
    defaultFallbacks: checkArray(
      at('defaultFallbacks'),
      input.defaultFallbacks ?? [],
      (where, model) => checkString(where, model, refuse),
      refuse,
    ),
    maxFallbacks: count('maxFallbacks', 5),
  };
}

function readRoutingGroups(path: string, value: unknown, refuse: Refuse): ReadonlyMap<string, RoutingStrategy> {
  const strategies = new Map<string, RoutingStrategy>();
  checkArray(
    path,
    value,
    (at, entry) => {
      const group = checkObject(at, entry, refuse);
      checkString(joinPath(at, 'groupName'), group.groupName, refuse);
      const strategy = checkStrategy(joinPath(at, 'strategy'), group.strategy, refuse);
      for (const model of checkArray(joinPath(at, 'models'), group.models, (where, name) => checkString(where, name, refuse), refuse)) {
        if (strategies.has(model)) throw refuse(joinPath(at, 'models'), model, 'must not contain a model of another routing group');
        strategies.set(model, strategy);
      }
    },
    refuse,
  );
  return strategies;
}

function readAliases(path: string, value: unknown, refuse: Refuse): ResolvedRouterSettings['aliases'] {
  const entries = Object.entries(checkObject(path, value, refuse)).map(([name, target]) => {
    const at = joinPath(path, name);
    if (typeof target === 'string') return [name, { model: checkString(at, target, refuse), hidden: false }] as const;
    const { model, hidden } = checkObject(at, target, refuse);
    return [
      name,
      {
        model: checkString(joinPath(at, 'model'), model, refuse),
        hidden: optional(hidden, false, (flag) => checkBoolean(joinPath(at, 'hidden'), flag, refuse)),
      },
    ] as const;
  });
  return new Map(entries);
}
