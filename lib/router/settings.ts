import { boolean, custom, group, integer, list, number, resolveOptions, string, type OptionsOf, type Resolved } from '../common/option.js';
import { checkArray, checkBoolean, checkObject, checkString, joinPath, optional, refuseOption, type Refuse } from '../common/options.js';
import { readProviderBudgets, type Budget } from './config/budget-settings.js';
import { checkErrorPolicy, type PolicyEnding } from './config/error-policies.js';
import { readFallbacks, type Fallbacks, type FallbackTable } from './fallback-order.js';
import type { CustomRoutingStrategy } from './selection/strategies/custom.js';
import { checkStrategy } from './selection/strategies/registry.js';
import type { RoutingStrategy } from './selection/strategies/strategy.js';
import { MOST_SAMPLES } from './state/memory.js';

/** LiteLLM's default. */
export const DEFAULT_TIMEOUT_MS = 6_000_000;

const NO_FALLBACKS: FallbackTable = new Map();

type ErrorPolicy = Readonly<Record<string, number>>;

export interface ModelAlias {
  /** The model of the alias. */
  readonly model: string;
  /** Whether `models()` leaves it out. Default `false`. */
  readonly hidden?: boolean;
}

/** Models that share a strategy. */
export interface RoutingGroup {
  /** Any name; used only in logs. */
  readonly groupName: string;
  /** Names of model groups. */
  readonly models: readonly string[];
  /** Name of a strategy, this package's or LiteLLM's. */
  readonly strategy: RoutingStrategy | (string & {});
}

export const STRATEGY_OPTIONS = {
  /** `latency_based`: samples expire after this time. Default 3,600,000. */
  sampleTtlMs: number({ min: 1, default: 3_600_000 }),
  /** `latency_based`: number of most recent samples that count. Default 10. */
  maxSamples: number({ min: 1, max: MOST_SAMPLES, default: 10 }),
  /**
   * `latency_based`: deployments within this share of the lowest latency count as equal. Default
   * 0.
   */
  lowestLatencyBuffer: number({ min: 0, default: 0 }),
};

export interface StrategyOptions extends OptionsOf<typeof STRATEGY_OPTIONS> {}

export const ROUTER_SETTINGS = {
  /** Name of a strategy (LiteLLM's names are accepted), or a function. Default `simple_shuffle`. */
  strategy: custom<RoutingStrategy | (string & {}) | CustomRoutingStrategy, RoutingStrategy | CustomRoutingStrategy>(
    'name or function',
    checkStrategyOrFunction,
    'simple_shuffle',
  ),
  /** Settings of the strategy `latency_based`. */
  strategyOptions: group<StrategyOptions, typeof STRATEGY_OPTIONS>(STRATEGY_OPTIONS),
  /** Strategies for some models. */
  routingGroups: custom<readonly RoutingGroup[], ReadonlyMap<string, RoutingStrategy>>('list of groups', readRoutingGroups, new Map()),
  /** Other names for models: `{ alias: 'model' }`, or `{ alias: { model, hidden } }`. */
  modelGroupAlias: custom<Readonly<Record<string, string | ModelAlias>>, ReadonlyMap<string, Required<ModelAlias>>>(
    'object',
    readAliases,
    new Map(),
  ),
  /**
   * `true`: rpm and tpm apply under every strategy, not only under those by latency, cost and
   * usage; `false`: context windows are not checked.
   */
  enablePreCallChecks: boolean(),
  /** Whether a request's `tags` restrict the deployments that it can use. Default `false`. */
  enableTagFiltering: boolean({ default: false }),
  /** Whether a deployment must have all tags of a request. Default `false`: one is enough. */
  tagFilteringMatchAll: boolean({ default: false }),
  /** Duration of a cooldown. Default 5,000. */
  cooldownMs: number({ min: 0, default: 5_000 }),
  /** Disables cooldowns. Default `false`. */
  disableCooldowns: boolean({ default: false }),
  /**
   * Number of failures allowed before a cooldown. Replaces the rule based on the share of failures.
   */
  allowedFails: integer({ min: 0 }),
  /** The same per class of error: `RateLimitErrorAllowedFails`, … */
  allowedFailsPolicy: custom<ErrorPolicy>('object', policyOf('AllowedFails')),
  /**
   * Whether a failed connection counts as a failure of the deployment. Default `false`, as in
   * LiteLLM.
   */
  countConnectionErrors: boolean({ default: false }),
  /**
   * Budgets of providers (`openai`, `azure`, …) over all their deployments; a deployment's own is
   * its `max_budget` per `budget_duration`.
   */
  providerBudgets: custom<Readonly<Record<string, Budget>>, ReadonlyMap<string, Budget>>('object', readProviderBudgets, new Map()),
  /**
   * Whether limits reported in a provider's headers, and a 429, hold back further requests to the
   * same quota (provider, account, key and model). Default `false`: as in LiteLLM, a 429 only puts
   * its deployment in cooldown.
   *
   * @see docs/router.md#limits-reported-by-providers
   */
  learnLimits: boolean({ default: false }),
  /** `max_parallel_requests` of deployments that set none. */
  defaultMaxParallelRequests: integer({ min: 0 }),
  /**
   * Whether invalid entries of the model list are skipped and reported instead of being an error.
   * Default `false`.
   */
  ignoreInvalidDeployments: boolean({ default: false }),
  /** Retries of a request; each selects a deployment again. Default 2. */
  numRetries: integer({ min: 0, default: 2 }),
  /** Minimum wait before a retry. Default 0. */
  retryAfterMs: number({ min: 0, default: 0 }),
  /** Retries per class of error: `TimeoutErrorRetries`, … */
  retryPolicy: custom<ErrorPolicy>('object', policyOf('Retries'), {}),
  /** The same for individual model groups. */
  modelGroupRetryPolicy: custom<Readonly<Record<string, ErrorPolicy>>>('object', readGroupPolicies, {}),
  /** Time limit of an attempt (for a stream: until its first chunk). Default 6,000,000. */
  timeoutMs: number({ min: 0, default: DEFAULT_TIMEOUT_MS }),
  /** Longest wait for the first chunk of a stream. */
  streamTimeoutMs: number({ min: 0 }),
  /** Models to call if one fails, in LiteLLM's formats. */
  fallbacks: custom<Fallbacks, FallbackTable>('list or object', readFallbacks, NO_FALLBACKS),
  /** Fallbacks for prompts that are too long, in the same formats. */
  contextWindowFallbacks: custom<Fallbacks, FallbackTable>('list or object', readFallbacks, NO_FALLBACKS),
  /** Fallbacks for prompts that a content filter rejects, in the same formats. */
  contentPolicyFallbacks: custom<Fallbacks, FallbackTable>('list or object', readFallbacks, NO_FALLBACKS),
  /** Fallbacks for models without their own, and for unknown names. */
  defaultFallbacks: list(string(), { default: [] }),
  /** Maximum number of fallbacks of one request. Default 5. */
  maxFallbacks: integer({ min: 0, default: 5 }),
};

/** How the router selects deployments, when it puts them in cooldown, and how calls are retried. */
export interface RouterSettings extends OptionsOf<typeof ROUTER_SETTINGS> {}

type Plain = Resolved<typeof ROUTER_SETTINGS>;

/** The settings, validated and with defaults. */
export interface ResolvedRouterSettings
  extends
    Omit<
      Plain,
      'strategyOptions' | 'routingGroups' | 'modelGroupAlias' | 'fallbacks' | 'contextWindowFallbacks' | 'contentPolicyFallbacks'
    >,
    Resolved<typeof STRATEGY_OPTIONS> {
  readonly strategyOfModel: Plain['routingGroups'];
  readonly aliases: Plain['modelGroupAlias'];
  readonly fallbacks: Readonly<Record<'general' | 'context_window' | 'content_policy', FallbackTable>>;
}

export const SETTING_KEYS = Object.keys(ROUTER_SETTINGS) as (keyof RouterSettings)[];

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
  const {
    strategyOptions,
    routingGroups,
    modelGroupAlias,
    fallbacks: general,
    contextWindowFallbacks,
    contentPolicyFallbacks,
    ...settings
  } = resolveOptions(ROUTER_SETTINGS, path, input, { refuse, paths });
  return {
    ...settings,
    ...strategyOptions,
    maxSamples: Math.floor(strategyOptions.maxSamples),
    strategyOfModel: routingGroups,
    aliases: modelGroupAlias,
    fallbacks: { general, context_window: contextWindowFallbacks, content_policy: contentPolicyFallbacks },
  };
}

function checkStrategyOrFunction(path: string, value: unknown, refuse: Refuse): RoutingStrategy | CustomRoutingStrategy {
  return typeof value === 'function' ? (value as CustomRoutingStrategy) : checkStrategy(path, value, refuse);
}

function policyOf(ending: PolicyEnding) {
  return (path: string, value: unknown, refuse: Refuse): ErrorPolicy => checkErrorPolicy(path, value, ending, refuse);
}

function readGroupPolicies(path: string, value: unknown, refuse: Refuse): Readonly<Record<string, ErrorPolicy>> {
  const policies = Object.entries(checkObject(path, value, refuse));
  return Object.fromEntries(policies.map(([model, policy]) => [model, checkErrorPolicy(joinPath(path, model), policy, 'Retries', refuse)]));
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

function readAliases(path: string, value: unknown, refuse: Refuse): ReadonlyMap<string, Required<ModelAlias>> {
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
