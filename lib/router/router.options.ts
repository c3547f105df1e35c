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
import { readConfigFile, type ClientConfig } from './config/config-file.js';
import type { ModelListEntry } from './deployments/deployment.js';
import { refuseFileValue, resolveEnvironmentNames } from './config/file-values.js';
import { resolveHealthChecks, type HealthCheckOptions, type ResolvedHealthChecks } from './config/health-check-options.js';
import { fromLiteLLM, pathsOfLiteLLM, type LiteLLMRouterSettings } from './config/litellm-router-settings.js';
import type { ModelFacts } from './config/model-list.js';
import { unenforcedError } from './config/protecting-keys.js';
import { resolveRouterSettings, SETTING_KEYS, type ResolvedRouterSettings, type RouterSettings } from './settings.js';
import { sharedStateOf } from './config/redis-settings.js';
import type { RouterSharedState } from './redis/shared-state.js';

/** The deployments, and how the router selects one of them. */
export interface RouterOptions extends RouterSettings {
  /** Deployments in LiteLLM's shape; added after those of `configPath`. */
  readonly modelList?: readonly ModelListEntry[];
  /**
   * Path of a LiteLLM `config.yaml` (or the same as JSON): `model_list`, `router_settings` and the
   * router's part of `litellm_settings` are read.
   */
  readonly configPath?: string;
  /**
   * Settings of that file for LiteLLM's proxy that the app itself enforces, such as
   * `general_settings.master_key` and `guardrails`: they cause no warning, and neither `strict` nor
   * the gateway refuses to start because of them.
   */
  readonly handledSettings?: readonly string[];
  /**
   * LiteLLM's `router_settings`, in its own names and units. They override those of the file; the
   * options override them.
   */
  readonly routerSettings?: LiteLLMRouterSettings;
  /**
   * Routers of one name share their state across the `worker_threads` of a process (native engine).
   * Default: not shared.
   */
  readonly sharedAs?: string;
  /**
   * With `sharedAs`: upper bound of the deployments of that name, in all threads, removed ones
   * included. 8 to 65,536, default 4,096.
   */
  readonly maxDeployments?: number;
  /**
   * State that processes share: `redisRouterState`. Default: the Redis of LiteLLM's `redis_url`, or
   * `redis_host` and `redis_port`.
   */
  readonly sharedState?: RouterSharedState;
  /** Checks deployments in the background. Default: never. */
  readonly healthChecks?: HealthCheckOptions;
  /**
   * Whether the app refuses to start with a deployment that cannot be called (no address, no key,
   * an unsupported protocol), or with a setting of the file that protects LiteLLM's proxy but not
   * this app (`guardrails`), unless `handledSettings` names it. Default `false`: they are logged.
   */
  readonly strict?: boolean;
  /**
   * Deployments that the app calls itself (`LlmClient.execute`, `RouterService.acquire`): `true`
   * for all, or their providers. They count as callable.
   */
  readonly calledByApp?: CalledByApp;
  /**
   * Counts the input tokens of a context's `messages` where `inputTokens` is not given. Default:
   * the token counter of the module.
   */
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
  /** The path of a setting. Default: in the options. */
  readonly settingPath?: (key: keyof RouterSettings) => string;
  /** Where the model list is written. Default: in the option. */
  readonly listPath?: string;
  /** The same for one entry, of the file or of the option. */
  readonly entryPath?: (index: number) => string;
  /** Makes the error for an entry of the model list; values of a file are not quoted. */
  readonly refuse?: Refuse;
  /** Unknown parts of the file and of LiteLLM's settings. */
  readonly warnings: readonly string[];
  readonly env: Environment;
  /** Settings of the file for the client. */
  readonly ofClient?: ClientConfig;
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
 * @throws InvalidConfigurationError naming the option (`router.cooldownMs`), or the file and the
 * place in it.
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
  const handledSettings = optional(input.handledSettings, [], (value) =>
    checkArray(at('handledSettings'), value, (where, name) => checkString(where, name)),
  );
  const configPath = optional(input.configPath, undefined, (value) => checkString(at('configPath'), value));
  const file = configPath === undefined ? undefined : readConfigFile(configPath, { env: around, warn, handledSettings });
  const env = file?.env ?? around;
  const strict = optional(input.strict, false, (value) => checkBoolean(at('strict'), value));
  if (configPath !== undefined && file !== undefined && file.unenforced.length > 0) {
    if (strict) throw unenforcedError(configPath, file.unenforced);
    warn(`${configPath}: settings that protect LiteLLM's proxy, without effect: ${file.unenforced.join(', ')}`);
  }
  const theirs = optional(input.routerSettings, {}, (value) =>
    checkObject(
      at('routerSettings'),
      resolveEnvironmentNames(value, env, (name) => warn(`environment variable ${name} is not set`)),
    ),
  );
  const given = fromLiteLLM(at('routerSettings'), theirs, { refuse: refuseOption, warn });
  const ofSettings = sharedStateOf(at('routerSettings'), theirs, { env, refuse: refuseOption, warn }) ?? file?.sharedState;
  const own = Object.fromEntries(SETTING_KEYS.filter((key) => input[key] !== undefined).map((key) => [key, input[key]])) as RouterSettings;
  const refuse = file === undefined ? refuseOption : refuseFileValue;
  const merged: RouterSettings = { ...file?.settings, ...given, ...own };
  const paths = new Map([...(file?.settingPaths ?? []), ...pathsOfLiteLLM(at('routerSettings'), theirs)]);
  for (const key of Object.keys(own)) paths.delete(key as keyof RouterSettings);
  const list = optional(input.modelList, [], (value) => checkArray(at('modelList'), value, (_, entry) => entry));
  const ofFile = file?.modelList ?? [];
  const fileListPath = `${configPath}: model_list`;
  return {
    input: merged,
    settings: resolveRouterSettings(merged, path, refuse, paths),
    refuse,
    settingPath: (key) => paths.get(key) ?? at(key),
    modelList: [...ofFile, ...list],
    listPath: list.length === 0 && configPath !== undefined ? fileListPath : at('modelList'),
    entryPath: (index) => (index < ofFile.length ? `${fileListPath}[${index}]` : `${at('modelList')}[${index - ofFile.length}]`),
    sharedAs: optional(input.sharedAs, null, (value) => checkName(at('sharedAs'), value)),
    maxDeployments: optional(input.maxDeployments, DEFAULT_MAX_DEPLOYMENTS, (value) =>
      checkInteger(at('maxDeployments'), value, { min: 8, max: 65_536 }),
    ),
    sharedState: optional(input.sharedState, ofSettings, (value) => checkSharedState(at('sharedState'), value)),
    healthChecks: optional(input.healthChecks, undefined, (value) => resolveHealthChecks(at('healthChecks'), value)),
    strict,
    calledByApp: optional(input.calledByApp, false, (value) => checkCalledByApp(at('calledByApp'), value)),
    countTokens: optional(input.countTokens, undefined, (value) => checkFunction(at('countTokens'), value)),
    warnings: [...warnings],
    env,
    ofClient: file?.ofClient,
  };
}

function checkName(path: string, value: unknown): string {
  const name = checkString(path, value);
  if (NAME.test(name)) return name;
  throw refuseOption(path, value, 'must have 1 to 128 letters, digits or _ . : -');
}

function checkCalledByApp(path: string, value: unknown): CalledByApp {
  return typeof value === 'boolean' ? value : checkArray(path, value, (where, entry) => checkString(where, entry));
}

function checkSharedState(path: string, value: unknown): RouterSharedState {
  const state = checkObject(path, value);
  for (const method of ['start', 'health', 'close']) checkFunction(joinPath(path, method), state[method]);
  return value as RouterSharedState;
}
