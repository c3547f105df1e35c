import {
  boolean,
  callback,
  custom,
  instance,
  integer,
  list,
  resolveOptions,
  string,
  type OptionsOf,
  type Resolved,
} from '../common/option.js';
import { checkArray, checkKnownKeys, checkObject, checkString, joinPath, refuseOption, type Refuse } from '../common/options.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import type { CalledByApp } from './deployments/callability.js';
import type { CallbackConfig } from './config/callback-settings.js';
import { readConfigFile, type ClientConfig, type ConfigSection } from './config/config-file.js';
import type { ModelListEntry } from './deployments/deployment.js';
import { refuseFileValue, resolveEnvironmentNames } from './config/file-values.js';
import { resolveHealthChecks, type HealthCheckOptions, type ResolvedHealthChecks } from './config/health-check-options.js';
import { fromLiteLLM, pathsOfLiteLLM, type LiteLLMRouterSettings } from './config/litellm-router-settings.js';
import type { ModelFacts } from './config/model-list.js';
import { unenforcedError } from './config/protecting-keys.js';
import { resolveRouterSettings, ROUTER_SETTINGS, type ResolvedRouterSettings, type RouterSettings } from './settings.js';
import { sharedStateOf } from './config/redis-settings.js';
import type { RouterSharedState } from './redis/shared-state.js';

export const OWN_OPTIONS = {
  /** Deployments in LiteLLM's format; added after those of `configPath`. */
  modelList: list(
    custom<ModelListEntry, unknown>('deployment', (_, entry) => entry),
    { default: [] },
  ),
  /**
   * Path of a LiteLLM `config.yaml` (or the same as JSON). `model_list`, `router_settings` and the
   * router's part of `litellm_settings` are read.
   */
  configPath: string(),
  /**
   * Settings in that file for LiteLLM's proxy that the app enforces itself, such as
   * `general_settings.master_key` and `guardrails`: they cause no warning, and neither `strict` nor
   * the gateway refuses to start because of them.
   */
  handledSettings: list(string(), { default: [] }),
  /**
   * Whether changes of that file take effect without a restart: its folder is watched, and `SIGHUP`
   * reads it again. Default `false`: only `POST /config/reload` does.
   *
   * @see docs/configuration.md
   */
  watch: boolean({ default: false }),
  /**
   * LiteLLM's `router_settings`, with its names and units. They override those in the file; the
   * options override them.
   */
  routerSettings: custom<LiteLLMRouterSettings>('object', (_, value) => value as LiteLLMRouterSettings, {}),
  /**
   * Name under which routers share their state across the `worker_threads` of a process (native
   * engine). Default: not shared.
   */
  sharedAs: custom<string, string | null>('string', checkName, null),
  /**
   * With `sharedAs`: maximum number of deployments under that name, over all threads, including
   * removed ones. Default 4,096.
   */
  maxDeployments: integer({ min: 8, max: 65_536, default: 4_096 }),
  /**
   * State shared between processes: `redisRouterState`. Default: the Redis of LiteLLM's
   * `redis_url`, or `redis_host` and `redis_port`.
   */
  sharedState: instance<RouterSharedState>('state', ['start', 'health', 'close']),
  /** Checks deployments in the background. Default: never. */
  healthChecks: custom<HealthCheckOptions, ResolvedHealthChecks>('object', resolveHealthChecks),
  /**
   * Whether the app refuses to start with a deployment that cannot be called (no address, no key,
   * an unsupported protocol), or with a setting of the file that protects LiteLLM's proxy but not
   * this app (`guardrails`), unless `handledSettings` names it. Default `false`: they are logged.
   */
  strict: boolean({ default: false }),
  /**
   * Deployments that the app calls itself (`LlmClient.execute`, `RouterService.acquire`): `true`
   * for all, or a list of their providers. They are treated as callable. Default `false`.
   */
  calledByApp: custom<CalledByApp>('boolean or list of providers', checkCalledByApp, false),
  /**
   * Counts the input tokens of a context's `messages` if `inputTokens` is not given. Default: the
   * app's token counter.
   */
  countTokens: callback<(messages: readonly unknown[], model: string) => number>(),
};

export const ROUTER = { ...ROUTER_SETTINGS, ...OWN_OPTIONS };

/** The deployments, and how the router selects one of them. */
export interface RouterOptions extends OptionsOf<typeof ROUTER> {}

/** The options, checked and complete. */
export interface ResolvedRouterOptions extends Omit<
  Resolved<typeof OWN_OPTIONS>,
  'configPath' | 'handledSettings' | 'routerSettings' | 'watch'
> {
  readonly input: RouterSettings;
  readonly settings: ResolvedRouterSettings;
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
  /** The callbacks and alerts of the file. */
  readonly ofCallbacks?: CallbackConfig;
  /** Settings of the file that have no effect: `section.key`. */
  readonly ignored?: readonly string[];
  /** Entries that the admin API has stored; added after those of `modelList`. */
  readonly stored?: readonly ModelListEntry[];
  readonly modelFacts?: ModelFacts;
}

const NAME = /^[\w.:-]{1,128}$/;

/**
 * Checks the options and reads the file.
 * @param document The content of the file, if it was read already.
 * @throws InvalidConfigurationError naming the option (`router.cooldownMs`), or the file and the
 * place in it.
 */
export function resolveRouterOptions(
  options: RouterOptions = {},
  around: Environment = process.env,
  path = 'router',
  document?: ConfigSection,
): ResolvedRouterOptions {
  const at = (key: keyof RouterOptions): string => joinPath(path, key);
  const warnings = new Set<string>();
  const warn = (message: string): void => void warnings.add(message);
  checkKnownKeys(path, checkObject(path, options), Object.keys(ROUTER));
  const own = withKeys(options, (key) => key in ROUTER_SETTINGS) as RouterSettings;
  const { configPath, handledSettings, routerSettings, modelList, sharedState, watch, ...others } = resolveOptions(
    OWN_OPTIONS,
    path,
    withKeys(options, (key) => key in OWN_OPTIONS),
  );
  const file = configPath === undefined ? undefined : readConfigFile(configPath, { env: around, warn, handledSettings }, document);
  if (watch && configPath === undefined) throw refuseOption(at('watch'), watch, 'requires router.configPath');
  const env = file?.env ?? around;
  if (configPath !== undefined && file !== undefined && file.unenforced.length > 0) {
    if (others.strict) throw unenforcedError(configPath, file.unenforced);
    warn(`${configPath}: these settings protect LiteLLM's proxy but have no effect here: ${file.unenforced.join(', ')}`);
  }
  const theirs = checkObject(
    at('routerSettings'),
    resolveEnvironmentNames(routerSettings, env, (name) => warn(`${at('routerSettings')} names the variable ${name}, which is not set`)),
  );
  const given = fromLiteLLM(at('routerSettings'), theirs, { refuse: refuseOption, warn });
  const ofSettings = sharedStateOf(at('routerSettings'), theirs, { env, refuse: refuseOption, warn }) ?? file?.sharedState;
  const refuse = file === undefined ? refuseOption : refuseFileValue;
  const merged: RouterSettings = { ...file?.settings, ...given, ...own };
  const paths = new Map([...(file?.settingPaths ?? []), ...pathsOfLiteLLM(at('routerSettings'), theirs)]);
  for (const key of Object.keys(own)) paths.delete(key as keyof RouterSettings);
  const ofFile = file?.modelList ?? [];
  const fileListPath = `${configPath}: model_list`;
  return {
    ...others,
    input: merged,
    settings: resolveRouterSettings(merged, path, refuse, paths),
    refuse,
    settingPath: (key) => paths.get(key) ?? at(key),
    modelList: [...ofFile, ...modelList],
    listPath: modelList.length === 0 && configPath !== undefined ? fileListPath : at('modelList'),
    entryPath: (index) => (index < ofFile.length ? `${fileListPath}[${index}]` : `${at('modelList')}[${index - ofFile.length}]`),
    sharedState: sharedState ?? ofSettings,
    warnings: [...warnings],
    env,
    ofClient: file?.ofClient,
    ofCallbacks: file?.ofCallbacks,
    ignored: file?.ignored,
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

/** Without options that are undefined, which take nothing from a file. */
function withKeys(options: RouterOptions, isWanted: (key: string) => boolean): object {
  return Object.fromEntries(Object.entries(options).filter(([key, value]) => value !== undefined && isWanted(key)));
}
