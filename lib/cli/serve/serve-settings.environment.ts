import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { errorMessage, InvalidConfigurationError } from '../../common/errors.js';
import { fieldsOf, objectIn } from '../../common/objects.js';
import { checkRedisUrl } from '../../common/redis/client.js';
import { corsSettingsOf } from '../../gateway/server/fastify-server.js';
import { checkListenHost, masterKeyWeakness } from '../../gateway/server/listen-address.js';
import { checkPostgresUrl } from '../../postgres/pg-pool.js';
import { environmentOf } from '../../router/config/config-file.js';
import { readConfigDocument } from '../../router/config/config-yaml.js';
import { refuseFileValue, resolveEnvironmentNames } from '../../router/config/file-values.js';
import { readLiteLLMProxySettings } from '../../router/config/proxy-settings.js';
import { redisUrlOf } from '../../router/config/redis-settings.js';
import type { ModelListEntry } from '../../router/deployments/deployment.js';
import type { ServeLogLevel, ServeSettings, ServeTls } from '../../serve/serve.settings.js';
import { UsageError, type GivenOptions } from '../command.js';
import { FLAGS, REFUSED_VARIABLES, VARIABLES_WITHOUT_EFFECT } from './serve-flags.environment.js';

type Environment = Readonly<Record<string, string | undefined>>;
type Section = Readonly<Record<string, unknown>>;

/** A flag or variable without effect, and why. */
export interface IgnoredSetting {
  readonly name: string;
  readonly reason: string;
}

/** The settings from the arguments, the environment and the file. */
export interface ReadSettings {
  readonly settings: ServeSettings;
  readonly ignored: readonly IgnoredSetting[];
}

const DEFAULT_PORT = 4000;
const [DEFAULT_DRAIN_S, MOST_SECONDS, MOST_WORKERS] = [25, 3_600, 256];
/** Settings of LiteLLM's proxy that `serve` puts into effect. */
const HANDLED = ['general_settings.database_url', 'general_settings.store_model_in_db'];
const HANDLED_OF_LITELLM = ['litellm_settings.require_auth_for_metrics_endpoint', 'litellm_settings.json_logs'];

/** Reads values of flags, else of their variables. */
class Given {
  constructor(
    private readonly options: GivenOptions,
    readonly env: Environment,
  ) {}

  text(name: string): string | undefined {
    const { env } = FLAGS[name];
    const given = this.options[name] ?? (env === undefined ? undefined : this.env[env]?.trim() || undefined);
    if (given === '') throw new UsageError(`--${name}: must be a non-empty string, got ''`);
    return typeof given === 'string' ? given : undefined;
  }

  isSet(name: string): boolean {
    const { env } = FLAGS[name];
    return this.options[name] === true || (env !== undefined && /^(?:true|1|yes)$/i.test(this.env[env] ?? ''));
  }

  integer(name: string, least: number, most: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    throw new UsageError(`${this.nameOf(name)}: must be an integer from ${least} to ${most}, got '${text}'`);
  }

  number(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (Number.isFinite(value)) return value;
    throw new UsageError(`--${name}: must be a number, got '${text}'`);
  }

  /** The flag, or the variable if it has set the value. */
  nameOf(name: string): string {
    return this.options[name] === undefined ? (FLAGS[name].env ?? `--${name}`) : `--${name}`;
  }

  /** @throws UsageError for what LiteLLM's proxy would do and `serve` does not */
  ignored(): IgnoredSetting[] {
    const found: IgnoredSetting[] = [];
    for (const [name, { ignored, refused, env }] of Object.entries(FLAGS)) {
      const isGiven = this.options[name] !== undefined;
      if (isGiven && refused !== undefined) throw new UsageError(`--${name}: is not supported; ${refused}`);
      if (ignored !== undefined && (isGiven || (env !== undefined && this.env[env] !== undefined)))
        found.push({ name: this.nameOf(name), reason: ignored });
    }
    for (const [name, advice] of Object.entries(REFUSED_VARIABLES))
      if (this.env[name]) throw new InvalidConfigurationError(name, `is not supported; ${advice}`);
    for (const [name, reason] of Object.entries(VARIABLES_WITHOUT_EFFECT)) if (this.env[name]) found.push({ name, reason });
    return found;
  }
}

/**
 * Adds the variables of `.env` in the working directory that the environment does not have, as
 * LiteLLM does unless `LITELLM_MODE` is `PRODUCTION`.
 * @returns how many it has added
 */
export function loadEnvFile(env: Record<string, string | undefined>, file = '.env'): number {
  if (env.LITELLM_MODE === 'PRODUCTION') return 0;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw new InvalidConfigurationError(file, `cannot be read (${errorMessage(error)})`, { cause: error });
  }
  const added = Object.entries(parseEnv(text)).filter(([name]) => env[name] === undefined);
  for (const [name, value] of added) env[name] = value;
  return added.length;
}

/**
 * Reads what `serve` shall do from flags, then variables, then the file.
 * @throws UsageError for a flag; InvalidConfigurationError for a variable or the file
 */
export function readServeSettings(options: GivenOptions, env: Environment): ReadSettings {
  const given = new Given(options, env);
  const ignored = given.ignored();
  const configPath = given.text('config');
  const modelList = modelListOf(given);
  if (configPath === undefined && modelList.length === 0 && !isOn(env.STORE_MODEL_IN_DB))
    throw new UsageError("--config with LiteLLM's config.yaml, or --model, must be set");
  const file = configPath === undefined ? {} : readConfigDocument(configPath);
  // The file can set variables that the environment does not have.
  const known = configPath === undefined ? env : environmentOf(configPath, file, env, () => {});
  const proxy = readLiteLLMProxySettings(configPath, env);
  const { masterKey } = proxy;
  const host = given.text('host') ?? (masterKeyWeakness(masterKey) === undefined ? '0.0.0.0' : '127.0.0.1');
  checkListenHost(host, { configPath, settings: proxy });
  const redisUrl = redisOf(configPath, file, known);
  const databaseUrl = databaseOf(configPath, file, known);
  const stateFolder = given.text('state_folder');
  const storesModels = storesModelsOf(file, env);
  if (storesModels && databaseUrl === undefined && stateFolder === undefined)
    throw new InvalidConfigurationError('STORE_MODEL_IN_DB', 'requires DATABASE_URL or --state_folder');
  const workers = given.integer('num_workers', 1, MOST_WORKERS) ?? 1;
  if (workers > 1 && redisUrl === undefined)
    throw new InvalidConfigurationError(given.nameOf('num_workers'), workersRule(workers, databaseUrl));
  const requestTimeoutS = given.integer('request_timeout', 1, 86_400);
  const litellm = fieldsOf(file.litellm_settings);
  const keepAliveS = given.integer('keepalive_timeout', 1, MOST_SECONDS);
  const level = levelOf(given);
  const settings: ServeSettings = {
    configPath,
    modelList,
    address: { host, port: given.integer('port', 0, 65_535) ?? DEFAULT_PORT },
    workers,
    tls: tlsOf(given),
    cors: corsSettingsOf('LITELLM_CORS_ORIGINS', env.LITELLM_CORS_ORIGINS ?? env.CORS_ORIGINS),
    keepAliveMs: keepAliveS === undefined ? undefined : keepAliveS * 1_000,
    maxHeaderBytes: given.integer('max_request_header_size', 1_024, 1_048_576),
    masterKey,
    hasDashboard: hasDashboard(masterKey, env),
    dashboardToken: env.DASHBOARD_TOKEN || undefined,
    hasDocs: !isOn(env.NO_DOCS) && !isOn(env.NO_OPENAPI),
    protectsMetrics: litellm.require_auth_for_metrics_endpoint !== false,
    redisUrl,
    databaseUrl,
    stateFolder,
    storesModels: storesModels || (stateFolder !== undefined && databaseUrl === undefined),
    handledSettings: [...HANDLED, ...HANDLED_OF_LITELLM, ...listOf(env.IGNORE_LITELLM_SETTINGS)],
    attemptTimeoutMs: requestTimeoutS === undefined ? undefined : requestTimeoutS * 1_000,
    dropsParams: given.isSet('drop_params') ? true : undefined,
    allowedHosts: env.ALLOWED_HOSTS ? listOf(env.ALLOWED_HOSTS) : undefined,
    noticeMs: (given.integer('notice_timeout', 0, MOST_SECONDS) ?? 0) * 1_000,
    drainMs: (given.integer('drain_timeout', 0, MOST_SECONDS) ?? DEFAULT_DRAIN_S) * 1_000,
    logLevel: level,
    logsJson: isOn(env.JSON_LOGS) || litellm.json_logs === true,
  };
  return { settings, ignored };
}

/** Where clients of this machine find the server that these flags start. */
export function addressOf(options: GivenOptions, env: Environment): string {
  const given = new Given(options, env);
  const host = given.text('host') ?? '127.0.0.1';
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  const scheme = given.text('ssl_certfile_path') === undefined ? 'http' : 'https';
  return `${scheme}://${name.includes(':') ? `[${name}]` : name}:${given.integer('port', 1, 65_535) ?? DEFAULT_PORT}`;
}

function workersRule(workers: number, databaseUrl: string | undefined): string {
  const shared = databaseUrl === undefined ? 'nothing would be shared' : 'PostgreSQL shares only budgets';
  return `must be 1 without Redis, because each worker would allow the whole limit of a key (${shared}); set REDIS_URL, got ${workers}`;
}

/** `--model`: requests for any model go to it, as in LiteLLM. */
function modelListOf(given: Given): ModelListEntry[] {
  const model = given.text('model');
  if (model === undefined) {
    for (const name of ['alias', 'api_base', 'api_version', 'temperature', 'max_tokens', 'headers'])
      if (given.text(name) !== undefined) throw new UsageError(`--${name}: requires --model; with --config, set it in litellm_params`);
    return [];
  }
  const headers = given.text('headers');
  const parameters = {
    model,
    api_base: given.text('api_base'),
    api_version: given.text('api_version'),
    temperature: given.number('temperature'),
    max_tokens: given.integer('max_tokens', 1, 1e9),
    extra_headers: headers === undefined ? undefined : headersOf(headers),
  };
  const litellm_params = Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined)) as { model: string };
  return [given.text('alias') ?? model, '*'].map((model_name) => ({ model_name, litellm_params }));
}

function headersOf(text: string): Section {
  const value = objectIn(text);
  if (value !== undefined) return value;
  // The text can contain a key.
  throw new UsageError('--headers: must be a JSON object, such as {"x-team": "a"}');
}

/** `REDIS_URL`, else `REDIS_HOST`, else the Redis of `router_settings` or of `cache_params`. */
function redisOf(configPath: string | undefined, file: Section, env: Environment): string | undefined {
  const reporting = { env, refuse: refuseFileValue, warn: () => {} };
  if (env.REDIS_URL) return checkRedisUrl('REDIS_URL', env.REDIS_URL);
  if (env.REDIS_HOST) {
    const named = { redis_host: env.REDIS_HOST, redis_port: env.REDIS_PORT || '6379' };
    return redisUrlOf('the environment', named, reporting);
  }
  const resolved = (section: unknown): Section => fieldsOf(resolveEnvironmentNames(section, env, () => {}));
  const router = redisUrlOf(`${configPath}: router_settings`, resolved(file.router_settings), reporting);
  if (router !== undefined) return router;
  const { type, host, port, password } = resolved(fieldsOf(file.litellm_settings).cache_params);
  if (type !== 'redis' || host === undefined) return undefined;
  return redisUrlOf(
    `${configPath}: litellm_settings.cache_params`,
    { redis_host: host, redis_port: port ?? 6379, redis_password: password },
    reporting,
  );
}

/** `DATABASE_URL`, else `DATABASE_HOST` with user, password and name, else the file's. */
function databaseOf(configPath: string | undefined, file: Section, env: Environment): string | undefined {
  if (env.DATABASE_URL) return checkPostgresUrl('DATABASE_URL', env.DATABASE_URL);
  const { DATABASE_HOST: host, DATABASE_USERNAME: user, DATABASE_PASSWORD: password, DATABASE_NAME: name } = env;
  if (host && user && name) {
    const login = [user, password ?? ''].map(encodeURIComponent).join(':');
    return checkPostgresUrl('DATABASE_HOST', `postgresql://${login}@${host}/${encodeURIComponent(name)}`);
  }
  const { database_url: url } = fieldsOf(resolveEnvironmentNames(file.general_settings, env, () => {}));
  return url === undefined || url === null ? undefined : checkPostgresUrl(`${configPath}: general_settings.database_url`, url);
}

function storesModelsOf(file: Section, env: Environment): boolean {
  const { store_model_in_db: given } = fieldsOf(resolveEnvironmentNames(file.general_settings, env, () => {}));
  return env.STORE_MODEL_IN_DB === undefined ? given === true || isOn(String(given)) : isOn(env.STORE_MODEL_IN_DB);
}

/** In production the dashboard needs a token, which the master key is. */
function hasDashboard(masterKey: string | null, env: Environment): boolean {
  return !isOn(env.DISABLE_ADMIN_UI) && (env.NODE_ENV !== 'production' || masterKey !== null || Boolean(env.DASHBOARD_TOKEN));
}

function tlsOf(given: Given): ServeTls | undefined {
  const names = ['ssl_keyfile_path', 'ssl_certfile_path'] as const;
  const [key, cert] = names.map((name) => given.text(name));
  const ciphers = given.text('ciphers');
  if (key === undefined && cert === undefined) {
    if (ciphers !== undefined) throw new UsageError('--ciphers: requires --ssl_keyfile_path and --ssl_certfile_path');
    return undefined;
  }
  const missing = names.find((name) => given.text(name) === undefined);
  if (missing !== undefined || key === undefined || cert === undefined)
    throw new UsageError(`--${missing}: must be set, because TLS requires a certificate and its key`);
  return { key: fileOf(given.nameOf('ssl_keyfile_path'), key), cert: fileOf(given.nameOf('ssl_certfile_path'), cert), ciphers };
}

function fileOf(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new InvalidConfigurationError(name, `cannot be read (${errorMessage(error)})`, { cause: error });
  }
}

const LEVELS: Readonly<Record<string, ServeLogLevel>> = {
  DEBUG: 'debug',
  INFO: 'info',
  WARNING: 'warn',
  WARN: 'warn',
  ERROR: 'error',
  CRITICAL: 'error',
};

function levelOf(given: Given): ServeLogLevel {
  if (given.isSet('detailed_debug')) return 'detailed';
  if (given.isSet('debug')) return 'debug';
  const named = given.env.LITELLM_LOG?.trim().toUpperCase();
  if (!named) return 'info';
  const level = LEVELS[named];
  if (level !== undefined) return level;
  throw new InvalidConfigurationError('LITELLM_LOG', `must be DEBUG, INFO, WARNING or ERROR, got ${JSON.stringify(named)}`);
}

function isOn(text: string | undefined): boolean {
  return /^(?:true|1|yes)$/i.test(text ?? '');
}

/** The entries of a comma-separated variable. */
function listOf(text = ''): string[] {
  return text.split(',').flatMap((entry) => entry.trim() || []);
}
