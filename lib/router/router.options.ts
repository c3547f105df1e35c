import {
  checkArray,
  checkBoolean,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkObject,
  checkString,
  joinPath,
  optional,
  refuseOption,
  type Refuse,
} from '../common/options.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import type { CalledByApp } from './deployments/callability.js';
import { readConfigFile } from './config/config-file.js';
import type { ModelListEntry } from './deployments/deployment.js';
import { resolveEnvironmentNames } from './config/environment-names.js';
import { refuseFileValue } from './config/file-values.js';
import { resolveHealthChecks, type HealthCheckOptions, type ResolvedHealthChecks } from './config/health-check-options.js';
import { fromLiteLLM, type LiteLLMRouterSettings } from './config/litellm-settings.js';
import type { ModelFacts } from './config/model-list.js';
import { resolveRouterSettings, SETTING_KEYS, type ResolvedRouterSettings, type RouterSettings } from './settings.js';
import { sharedStateOf } from './config/redis-settings.js';
import type { RouterSharedState } from './redis/shared-state.js';

/** Which deployments there are, and how the router chooses among them. */
export interface RouterOptions extends RouterSettings {
  /** Deployments in LiteLLM's shape; behind those of `configPath`. */
  readonly modelList?: readonly ModelListEntry[];
  /** A LiteLLM `config.yaml` (or the same as JSON): its `model_list`, `router_settings` and the router's part of `litellm_settings`. */
  readonly configPath?: string;
  /**
   * Settings of that file for LiteLLM's proxy that the app itself enforces, such as `general_settings.master_key`: they are left out of the warning that
   * names what has no effect.
   */
  readonly handledSettings?: readonly string[];
  /** LiteLLM's `router_settings`, in its own names and units; before those of the file, behind those of the options. */
  readonly routerSettings?: LiteLLMRouterSettings;
  /** Routers of one name share their state across the `worker_threads` of a process (native engine). Default: a state of their own. */
  readonly sharedAs?: string;
  /** With `sharedAs`: most deployments that the name will ever see, in all threads. 8 to 65,536, default 4,096. */
  readonly maxDeployments?: number;
  /** State that processes share: `redisRouterState`. Default: over the Redis of LiteLLM's `redis_url`, or `redis_host` and `redis_port`. */
  readonly sharedState?: RouterSharedState;
  /** Asks deployments in the background whether they are there. Default: never. */
  readonly healthChecks?: HealthCheckOptions;
  /**
   * Whether the app refuses to start where a deployment cannot be called: no address, no key, a protocol that is not spoken. Default `false`: such a deployment gets no
   * requests, and is named in the log, the health report and the metrics.
   */
  readonly strict?: boolean;
  /** Deployments that the app calls itself (`LlmClient.execute`, `RouterService.acquire`): `true` for all, or the providers. They count as callable. */
  readonly calledByApp?: CalledByApp;
  /** Counts the input tokens of a context's `messages`, where the context gives no figure. Default: the token counter of the module. */
  readonly countTokens?: (messages: readonly unknown[], model: string) => number;
}

/** The options, checked and complete. */
export interface ResolvedRouterOptions {
  readonly input: RouterSettings;
  readonly settings: ResolvedRouterSettings;
  readonly modelList: readonly unknown[];
  readonly sharedAs: string | null;
  readonly maxDeployments: number;
  readonly sharedState: RouterSharedState | undefined;
  readonly healthChecks: ResolvedHealthChecks | undefined;
  readonly strict: boolean;
  readonly calledByApp: CalledByApp;
  readonly countTokens: RouterOptions['countTokens'];
  /** Refuses an entry of the model list; values of a file are not quoted. */
  readonly refuse?: Refuse;
  /** What a file or LiteLLM's settings have that is not understood. */
  readonly warnings: readonly string[];
  readonly env: Environment;
  readonly modelFacts?: ModelFacts;
}

const KNOWN: readonly (keyof RouterOptions)[] = [
  ...SETTING_KEYS,
  'modelList',
  'configPath',
  'handledSettings',
  'routerSettings',
  'sharedAs',
  'maxDeployments',
  'sharedState',
  'healthChecks',
  'strict',
  'calledByApp',
  'countTokens',
];
const NAME = /^[\w.:-]{1,128}$/;
const DEFAULT_MAX_DEPLOYMENTS = 4_096;

/**
 * Checks the options and reads the file.
 * @throws InvalidConfigurationError naming the option (`router.cooldownMs`), or file and place.
 */
export function resolveRouterOptions(
  options: RouterOptions = {},
  around: Environment = process.env,
  path = 'router',
): ResolvedRouterOptions {
  const input = checkObject(path, options);
  checkKnownKeys(path, input, KNOWN);
  const at = (key: keyof RouterOptions): string => joinPath(path, key);
  const warnings = new Set<string>();
  const warn = (message: string): void => void warnings.add(message);
  const handled = optional(input.handledSettings, [], (value) =>
    checkArray(at('handledSettings'), value, (where, name) => checkString(where, name)),
  );
  const file = optional(input.configPath, undefined, (value) =>
    readConfigFile(checkString(at('configPath'), value), around, warn, handled),
  );
  const env = file?.env ?? around;
  const theirs = optional(input.routerSettings, {}, (value) =>
    checkObject(
      at('routerSettings'),
      resolveEnvironmentNames(value, env, (name) => warn(`the variable ${name} is not set`)),
    ),
  );
  const given = fromLiteLLM(at('routerSettings'), theirs, refuseOption, warn);
  const ofSettings = sharedStateOf(at('routerSettings'), theirs, { env, refuse: refuseOption, warn }) ?? file?.sharedState;
  const own = Object.fromEntries(SETTING_KEYS.filter((key) => input[key] !== undefined).map((key) => [key, input[key]])) as RouterSettings;
  const refuse = file === undefined ? refuseOption : refuseFileValue;
  const merged: RouterSettings = { ...file?.settings, ...given, ...own };
  const list = optional(input.modelList, [], (value) => checkArray(at('modelList'), value, (_, entry) => entry));
  return {
    input: merged,
    settings: resolveRouterSettings(merged, path, refuse),
    refuse,
    modelList: [...(file?.modelList ?? []), ...list],
    sharedAs: optional(input.sharedAs, null, (value) => checkName(at('sharedAs'), value)),
    maxDeployments: optional(input.maxDeployments, DEFAULT_MAX_DEPLOYMENTS, (value) =>
      checkInteger(at('maxDeployments'), value, { min: 8, max: 65_536 }),
    ),
    sharedState: optional(input.sharedState, ofSettings, (value) => checkSharedState(at('sharedState'), value)),
    healthChecks: optional(input.healthChecks, undefined, (value) => resolveHealthChecks(at('healthChecks'), value)),
    strict: optional(input.strict, false, (value) => checkBoolean(at('strict'), value)),
    calledByApp: optional(input.calledByApp, false, (value) => checkCalledByApp(at('calledByApp'), value)),
    countTokens: optional(input.countTokens, undefined, (value) => checkFunction(at('countTokens'), value)),
    warnings: [...warnings],
    env,
  };
}

function checkName(path: string, value: unknown): string {
  const name = checkString(path, value);
  if (NAME.test(name)) return name;
  throw refuseOption(path, value, 'must be of letters, digits, _ . : - and at most 128 of them');
}

function checkCalledByApp(path: string, value: unknown): CalledByApp {
  return typeof value === 'boolean' ? value : checkArray(path, value, (where, entry) => checkString(where, entry));
}

function checkSharedState(path: string, value: unknown): RouterSharedState {
  const state = checkObject(path, value);
  for (const method of ['start', 'health', 'close']) checkFunction(joinPath(path, method), state[method]);
  return value as RouterSharedState;
}
