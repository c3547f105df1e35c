import type { CommandOption } from '../command.js';

/**
 * A flag of `serve`. All of LiteLLM's flags are known: those without effect are accepted with a
 * line that gives the reason, and those that would change protection or calls are rejected.
 */
export interface ServeFlag extends CommandOption {
  /** Variable that sets it, with less precedence. */
  readonly env?: string;
  /** Why it has no effect. */
  readonly ignored?: string;
  /** Why `serve` does not start with it, and what to do. */
  readonly refused?: string;
}

const set = (value: string, help: string, more: Partial<ServeFlag> = {}): ServeFlag => ({ type: 'string', value, help, ...more });
const flag = (help: string, more: Partial<ServeFlag> = {}): ServeFlag => ({ type: 'boolean', help, ...more });
const ignored = (type: 'string' | 'boolean', reason: string, more: Partial<ServeFlag> = {}): ServeFlag => ({
  type,
  help: '',
  ignored: reason,
  ...more,
});
const refused = (type: 'string' | 'boolean', reason: string): ServeFlag => ({ type, help: '', refused: reason });

const ONE_SERVER = 'there is only one HTTP server';
const OWN_MIGRATIONS = 'migrations are numbered SQL files of this package';

/** By name, with underscores as in LiteLLM; dashes are accepted, too. */
export const FLAGS: Readonly<Record<string, ServeFlag>> = {
  config: set('file', "LiteLLM's config.yaml", { short: 'c', env: 'CONFIG_FILE_PATH' }),
  port: set('port', 'port to listen on; 0: any free one (default 4000)', { env: 'PORT' }),
  host: set('address', 'address to listen on (default 0.0.0.0 with a master key, 127.0.0.1 without one)', { env: 'HOST' }),
  num_workers: set('number', 'processes that serve requests; more than one needs Redis (default 1)', { env: 'NUM_WORKERS' }),
  model: set('name', 'serve one model without a file: openai/gpt-4o', { short: 'm' }),
  alias: set('name', 'name of that model for clients'),
  api_base: set('url', "address of that model's provider"),
  api_version: set('version', 'API version of that model, for Azure'),
  temperature: set('number', 'default temperature of that model'),
  max_tokens: set('number', 'default max_tokens of that model'),
  headers: set('json', "headers for that model's provider, as a JSON object"),
  request_timeout: set('seconds', 'time limit of one attempt at a provider'),
  drop_params: flag('drop parameters that a model does not support'),
  state_folder: set('folder', 'keep keys and budgets in this folder, without a database and Redis', { env: 'FAST_LITELLM_STATE_FOLDER' }),
  ssl_keyfile_path: set('file', 'private key of the server, PEM', { env: 'SSL_KEYFILE_PATH' }),
  ssl_certfile_path: set('file', 'certificate of the server, PEM', { env: 'SSL_CERTFILE_PATH' }),
  ciphers: set('list', "TLS ciphers, in OpenSSL's format"),
  keepalive_timeout: set('seconds', 'how long an idle connection stays open (default 72)', { env: 'KEEPALIVE_TIMEOUT' }),
  max_request_header_size: set('bytes', 'largest header of a request (default 16384)', { env: 'MAX_REQUEST_HEADER_SIZE' }),
  drain_timeout: set('seconds', 'how long requests in flight can take to finish after SIGTERM (default 25)', {
    env: 'FAST_LITELLM_DRAIN_TIMEOUT',
  }),
  notice_timeout: set('seconds', 'how long new requests are accepted after SIGTERM (default 0)', { env: 'FAST_LITELLM_NOTICE_TIMEOUT' }),
  debug: flag('log more', { env: 'DEBUG' }),
  detailed_debug: flag('log the start, and a line for each request', { env: 'DETAILED_DEBUG' }),
  health: flag('check whether the running server is ready; exit with 1 if not'),
  validate_config: flag('check the file and exit; with 1 if it has an error'),
  skip_server_startup: flag('apply the migrations of the database and exit'),
  version: flag('show the version', { short: 'v' }),

  telemetry: ignored('string', 'there is no telemetry'),
  local: ignored('boolean', 'LiteLLM does not use it either'),
  use_queue: ignored('boolean', 'calls wait in the process (llmClient.queue)'),
  add_function_to_prompt: ignored('boolean', 'tools are translated for each provider'),
  run_gunicorn: ignored('boolean', ONE_SERVER),
  run_hypercorn: ignored('boolean', ONE_SERVER),
  run_granian: ignored('boolean', ONE_SERVER),
  granian_threads: ignored('string', ONE_SERVER),
  timeout_worker_healthcheck: ignored('string', 'a worker that exits is replaced at once'),
  max_requests_before_restart: ignored('string', 'memory does not grow with the number of requests', {
    env: 'MAX_REQUESTS_BEFORE_RESTART',
  }),
  max_requests_before_restart_jitter: ignored('string', 'memory does not grow with the number of requests'),
  log_config: ignored('string', 'the file configures Python logging; set LITELLM_LOG and JSON_LOGS'),
  use_prisma_db_push: ignored('boolean', OWN_MIGRATIONS),
  enforce_prisma_migration_check: ignored('boolean', 'a failed migration always stops the start'),
  use_v2_migration_resolver: ignored('boolean', OWN_MIGRATIONS),
  use_legacy_migration_resolver: ignored('boolean', OWN_MIGRATIONS),
  reload: ignored('boolean', 'send SIGHUP to read the file again'),
  num_requests: ignored('string', 'it only applies to --test_async'),

  max_budget: refused('string', 'set litellm_settings.max_budget in the file, so that it applies to every process'),
  limit_concurrency: refused('string', 'set max_parallel_requests of keys, teams or deployments'),
  prometheus_metrics_port: refused('string', '/metrics is on the main port and adds up all workers; let Prometheus scrape it there'),
  iam_token_db_auth: refused('boolean', 'put a user name and password into DATABASE_URL'),
  azure_postgresql_auth: refused('boolean', 'put a user name and password into DATABASE_URL'),
  check_migrations_against_existing_data: refused('boolean', 'run nestjs-fast-litellm migrate --dry-run'),
  save: refused('boolean', 'add the model to the file passed with --config'),
  add_key: refused('string', "set the provider's variable, such as OPENAI_API_KEY"),
  setup: refused('boolean', 'write a config.yaml; docs/serve.md has an example'),
  test: refused('boolean', 'send a request with curl; docs/serve.md has an example'),
  test_async: refused('boolean', 'send a request with curl; docs/serve.md has an example'),
};

/** Options of the command: all flags, of which the help shows those with an effect. */
export const FLAG_OPTIONS: Readonly<Record<string, CommandOption>> = Object.fromEntries(
  Object.entries(FLAGS).map(([name, { env: _, ignored: isIgnored, refused: isRefused, ...option }]) => [
    name,
    { ...option, isHidden: isIgnored !== undefined || isRefused !== undefined },
  ]),
);

/** Environment variables that are not flags and have no effect. */
export const VARIABLES_WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  UI_USERNAME: 'the dashboard requires the master key or DASHBOARD_TOKEN',
  UI_PASSWORD: 'the dashboard requires the master key or DASHBOARD_TOKEN',
  SEPARATE_HEALTH_APP: 'the probes respond on the main port, even under load',
  SEPARATE_HEALTH_PORT: 'the probes respond on the main port',
  SERVER_ROOT_PATH: 'remove the prefix in the reverse proxy',
  PROXY_BASE_URL: 'the dashboard uses relative addresses',
  ROOT_REDIRECT_URL: '/ leads to the dashboard',
  DOCS_URL: 'the API is documented at /docs',
  REDOC_URL: 'the API is documented at /docs',
  DATABASE_URL_READ_REPLICA: 'all statements go to DATABASE_URL',
  DIRECT_URL: 'migrations use DATABASE_URL',
  LITELLM_LICENSE: 'no feature requires a licence',
  PROMETHEUS_MULTIPROC_DIR: '/metrics adds up all workers without files',
  LITELLM_CORS_ALLOW_CREDENTIALS: 'keys are sent in headers, not in cookies',
  SPEND_LOGS_URL: 'set DATABASE_URL',
};

/** Variables for places from which `serve` cannot read a configuration or a secret. */
export const REFUSED_VARIABLES: Readonly<Record<string, string>> = {
  LITELLM_CONFIG_BUCKET_NAME: 'save the file to disk and pass its path with --config',
  USE_AWS_KMS: 'put the decrypted values into the environment',
  REDIS_CLUSTER_NODES: 'set REDIS_URL to one address; a cluster needs an app (docs/scaling.md)',
  REDIS_SENTINEL_NODES: 'set REDIS_URL to one address; Sentinels need an app (docs/scaling.md)',
};

/** LiteLLM's flags have underscores, which many people write as dashes. */
export function withUnderscores(args: readonly string[]): string[] {
  const end = args.indexOf('--');
  return args.map((arg, place) => {
    if (!arg.startsWith('--') || (end >= 0 && place >= end)) return arg;
    const [name, ...value] = arg.split('=');
    return [`--${name.slice(2).replaceAll('-', '_')}`, ...value].join('=');
  });
}
