import type { CorsSettings } from '../gateway/server/fastify-server.js';
import type { ListenAddress } from '../gateway/server/listen-address.js';
import type { ModelListEntry } from '../router/deployments/deployment.js';

/** Names of the levels at which `serve` logs, from the fewest lines to the most. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'detailed'] as const;

/** How much `serve` logs. `detailed` adds the lines of the start and one for each request. */
export type ServeLogLevel = (typeof LOG_LEVELS)[number];

/** Certificate and key of the server, as PEM text. */
export interface ServeTls {
  readonly key: string;
  readonly cert: string;
  /** In OpenSSL's format. Default: Node's. */
  readonly ciphers?: string;
}

/** The checked settings of `serve`. */
export interface ServeSettings {
  /** LiteLLM's `config.yaml`. */
  readonly configPath?: string;
  /** Deployments of `--model`. */
  readonly modelList: readonly ModelListEntry[];
  readonly address: ListenAddress;
  /** Number of processes that serve requests. 1: this one. */
  readonly workers: number;
  readonly tls?: ServeTls;
  readonly cors?: CorsSettings;
  readonly keepAliveMs?: number;
  readonly maxHeaderBytes?: number;
  /** `null`: none; clients on this machine need no key. */
  readonly masterKey: string | null;
  readonly hasDashboard: boolean;
  /** Opens the dashboard in addition to the master key. */
  readonly dashboardToken?: string;
  readonly hasDocs: boolean;
  /** Whether `/metrics` needs the master key, if there is one. */
  readonly protectsMetrics: boolean;
  readonly redisUrl?: string;
  readonly databaseUrl?: string;
  /** Folder for keys and budgets without a database and Redis. */
  readonly stateFolder?: string;
  /** Whether models that the API adds are kept: in the database, else in the folder. */
  readonly storesModels: boolean;
  /** Settings of the file that `serve` enforces, or that the operator gives up. */
  readonly handledSettings: readonly string[];
  readonly attemptTimeoutMs?: number;
  readonly dropsParams?: boolean;
  readonly allowedHosts?: readonly string[];
  readonly noticeMs: number;
  readonly drainMs: number;
  readonly logLevel: ServeLogLevel;
  readonly logsJson: boolean;
}
