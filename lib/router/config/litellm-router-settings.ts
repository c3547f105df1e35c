import { checkNumber, checkObject, joinPath, type Refuse } from '../../common/options.js';
import { checkAmount, type Reporting } from './file-values.js';
import { budgetsFromLiteLLM } from './budget-settings.js';
import { knownErrorPolicy } from './error-policies.js';
import { FALLBACK_PARAMS, IGNORED_SETTINGS, KNOWN_CHECKS, REDIS_SETTINGS } from './litellm-keys.js';
import { MOST_SAMPLES } from '../state/memory.js';
import { SETTING_KEYS, type RouterSettings } from '../settings.js';

/** LiteLLM's `router_settings`, with its names and units. Unknown keys are reported. */
export type LiteLLMRouterSettings = Readonly<Record<string, unknown>>;

const SAME: Readonly<Record<string, keyof RouterSettings>> = {
  routing_strategy: 'strategy',
  enable_pre_call_checks: 'enablePreCallChecks',
  enable_tag_filtering: 'enableTagFiltering',
  disable_cooldowns: 'disableCooldowns',
  allowed_fails: 'allowedFails',
  default_max_parallel_requests: 'defaultMaxParallelRequests',
  ignore_invalid_deployments: 'ignoreInvalidDeployments',
  num_retries: 'numRetries',
  model_group_alias: 'modelGroupAlias',
  fallbacks: 'fallbacks',
  context_window_fallbacks: 'contextWindowFallbacks',
  content_policy_fallbacks: 'contentPolicyFallbacks',
  default_fallbacks: 'defaultFallbacks',
  max_fallbacks: 'maxFallbacks',
};
const SECONDS: Readonly<Record<string, keyof RouterSettings>> = {
  cooldown_time: 'cooldownMs',
  retry_after: 'retryAfterMs',
  timeout: 'timeoutMs',
  request_timeout: 'timeoutMs',
  stream_timeout: 'streamTimeoutMs',
};

/** Settings that need more than another name. */
const OTHERS: Readonly<Record<string, keyof RouterSettings>> = {
  routing_strategy_args: 'strategyOptions',
  tag_filtering_match_any: 'tagFilteringMatchAll',
  provider_budget_config: 'providerBudgets',
  routing_groups: 'routingGroups',
  optional_pre_call_checks: 'enablePreCallChecks',
  allowed_fails_policy: 'allowedFailsPolicy',
  retry_policy: 'retryPolicy',
  model_group_retry_policy: 'modelGroupRetryPolicy',
};
const OWN_NAMES = new Map(Object.entries({ ...SAME, ...SECONDS, ...OTHERS }));

/** Where settings were written, by our names: errors name the place that has to be corrected. */
export type SettingPaths = ReadonlyMap<keyof RouterSettings, string>;

/** The paths of LiteLLM's settings. */
export function pathsOfLiteLLM(path: string, input: LiteLLMRouterSettings): SettingPaths {
  const paths = new Map<keyof RouterSettings, string>();
  for (const key of Object.keys(input)) {
    const own = OWN_NAMES.get(key);
    if (own !== undefined) paths.set(own, joinPath(path, key));
  }
  return paths;
}

/** The names of settings without an effect here. */
export function settingsWithoutEffect(input: LiteLLMRouterSettings): readonly string[] {
  return Object.keys(input).filter((key) => !OWN_NAMES.has(key) && !REDIS_SETTINGS.has(key) && !key.startsWith('redis_'));
}

/** Translates LiteLLM's names; a setting that is given under our name as well keeps our value. */
export function toRouterSettings(path: string, input: RouterSettings | LiteLLMRouterSettings, refuse: Refuse): RouterSettings {
  const isTheirs = (key: string): boolean => OWN_NAMES.has(key) && !(SETTING_KEYS as readonly string[]).includes(key);
  const keys = Object.keys(input);
  if (!keys.some(isTheirs)) return input;
  const entries = Object.entries(input);
  const theirs = Object.fromEntries(entries.filter(([key]) => isTheirs(key)));
  return { ...fromLiteLLM(path, theirs, { refuse, warn: () => {} }), ...Object.fromEntries(entries.filter(([key]) => !isTheirs(key))) };
}

/** Translates LiteLLM's settings to our names and units. `warn` receives unknown keys. */
export function fromLiteLLM(path: string, input: unknown, reporting: Reporting): RouterSettings {
  const { refuse, warn } = reporting;
  const settings: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(checkObject(path, input, refuse))) {
    if (value === null || value === undefined || IGNORED_SETTINGS.has(key) || REDIS_SETTINGS.has(key)) continue;
    const at = joinPath(path, key);
    if (key.endsWith('fallbacks')) warnOfParams(at, value, warn);
    if (Object.hasOwn(SAME, key)) settings[SAME[key]] = plain(value);
    else if (Object.hasOwn(SECONDS, key)) settings[SECONDS[key]] = checkAmount(at, value, refuse) * 1000;
    else if (key === 'routing_strategy_args') settings.strategyOptions = strategyOptions(at, value, reporting);
    else if (key === 'tag_filtering_match_any') settings.tagFilteringMatchAll = plain(value) === false;
    else if (key === 'provider_budget_config') settings.providerBudgets = budgetsFromLiteLLM(at, value, reporting);
    else if (key === 'allowed_fails_policy') settings.allowedFailsPolicy = knownErrorPolicy(at, value, 'AllowedFails', warn);
    else if (key === 'retry_policy') settings.retryPolicy = knownErrorPolicy(at, value, 'Retries', warn);
    else if (key === 'model_group_retry_policy') settings.modelGroupRetryPolicy = groupPolicies(at, value, reporting);
    else if (key === 'routing_groups') settings.routingGroups = routingGroups(value);
    else if (key === 'optional_pre_call_checks') {
      for (const check of Array.isArray(value) ? (value as unknown[]) : []) {
        if (check === 'enforce_model_rate_limits') settings.enablePreCallChecks = true;
        else warn(`${at}: ${typeof check === 'string' && KNOWN_CHECKS.has(check) ? check : 'unknown check'} is not supported`);
      }
    } else warn(`unknown option ignored: ${at}`);
  }
  return settings;
}

/** Parameters of a deployment have no effect in a fallback: its model group has address and key. */
function warnOfParams(path: string, fallbacks: unknown, warn: (message: string) => void, depth = 0): void {
  // Fallbacks are lists of objects of lists of objects.
  if (typeof fallbacks !== 'object' || fallbacks === null || depth > 3) return;
  for (const [key, entry] of Object.entries(fallbacks)) {
    if (FALLBACK_PARAMS.has(key)) warn(`${path}: ${key} of a fallback has no effect; set it in a deployment of the fallback's model group`);
    warnOfParams(path, entry, warn, depth + 1);
  }
}

/**
 * Reads a number or flag that is text: from the environment, quoted, or in the words of YAML 1.1
 * (`yes`).
 */
function plain(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (/^(?:true|yes|on)$/i.test(value)) return true;
  if (/^(?:false|no|off)$/i.test(value)) return false;
  return value.trim() !== '' && Number.isFinite(Number(value)) ? Number(value) : value;
}

function strategyOptions(path: string, value: unknown, { refuse, warn }: Reporting): RouterSettings['strategyOptions'] {
  const { ttl, lowest_latency_buffer: buffer, max_latency_list_size: size, ...others } = checkObject(path, value, refuse);
  for (const key of Object.keys(others)) warn(`unknown option ignored: ${joinPath(path, key)}`);
  const samples = size === undefined ? undefined : checkNumber(joinPath(path, 'max_latency_list_size'), plain(size), { min: 1 }, refuse);
  if (samples !== undefined && samples > MOST_SAMPLES) warn(`${path}.max_latency_list_size is reduced to ${MOST_SAMPLES}, the maximum`);
  return {
    ...(ttl !== undefined && { sampleTtlMs: checkNumber(joinPath(path, 'ttl'), plain(ttl), { min: 0.001 }, refuse) * 1000 }),
    ...(buffer !== undefined && { lowestLatencyBuffer: plain(buffer) as number }),
    ...(samples !== undefined && { maxSamples: Math.min(samples, MOST_SAMPLES) }),
  };
}

function groupPolicies(path: string, value: unknown, { refuse, warn }: Reporting): Readonly<Record<string, unknown>> {
  const policies = Object.entries(checkObject(path, value, refuse));
  return Object.fromEntries(policies.map(([group, policy]) => [group, knownErrorPolicy(joinPath(path, group), policy, 'Retries', warn)]));
}

function routingGroups(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return (value as unknown[]).map((entry) => {
    if (typeof entry !== 'object' || entry === null) return entry;
    const { group_name: groupName, models, routing_strategy: strategy } = entry as Record<string, unknown>;
    return { groupName, models, strategy };
  });
}
