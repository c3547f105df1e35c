import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LogSink } from '../common/log-sink.js';
import type { ConfigurationStoreSource } from '../configuration/stored/configuration-store.js';
import { fileConfigurationStore } from '../configuration/stored/file-store.js';
import { FastLiteLLMAdminModule } from '../fast-litellm-admin.module.js';
import { FastLiteLLMDashboardModule } from '../fast-litellm-dashboard.module.js';
import { FastLiteLLMGatewayModule } from '../fast-litellm-gateway.module.js';
import { FastLiteLLMKeysModule } from '../fast-litellm-keys.module.js';
import { FastLiteLLMModule } from '../fast-litellm.module.js';
import type { FastLiteLLMOptions } from '../fast-litellm.options.js';
import { FastLiteLLMSpendModule } from '../fast-litellm-spend.module.js';
import { OpenAIErrorFilter } from '../gateway/gateway-error.filter.js';
import type { GatewayOptions } from '../gateway/gateway.options.js';
import type { ApiKeyStore } from '../keys/api-key-store.js';
import { fileApiKeyStore } from '../keys/file-store.js';
import { MemoryApiKeyStore } from '../keys/memory-store.js';
import { redisApiKeyStore } from '../keys/redis/redis-store.js';
import { postgresRateLimitStore } from '../postgres/budgets/rate-limit-store.js';
import { postgresStore, type PostgresStore } from '../postgres/postgres-store.js';
import { redisRateLimitStore } from '../rate-limit/redis/redis-store.js';
import { redisRouterState } from '../router/redis/redis-shared-state.js';
import { OPERATOR_PARTS, OperatorController, type OperatorParts } from './operator.controller.js';
import type { ServeSettings } from './serve.settings.js';

/** Probes, documentation, and pages with a login of their own. */
const WITHOUT_KEY = ['health', 'dashboard', 'docs', 'openapi.json'];
/** Routes that check permissions themselves. All others require the master key. */
const WITH_ANY_KEY = [
  ...['v1', 'chat', 'completions', 'embeddings', 'responses', 'messages', 'images', 'audio', 'moderations', 'rerank', 'files', 'batches'],
  ...['models', 'model', 'model_group', 'v2', 'v1beta', 'openai', 'anthropic', 'engines', 'credentials', 'config', 'utils'],
  ...['key', 'audit', 'team', 'user', 'budget', 'customer', 'end_user', 'organization', 'spend', 'global', 'tag'],
];
/** Largest body of a client without a key. */
const ANONYMOUS_BODY_BYTES = 2 * 1024 * 1024;

/** The app of `serve`: the gateway with keys, budgets, spend, dashboard, health and metrics. */
@Module({})
export class ServeModule {
  /**
   * @throws InvalidConfigurationError; MissingPackageError without pg or ioredis where they are
   * needed
   */
  static of(settings: ServeSettings, logger: LogSink, parts: OperatorParts): DynamicModule {
    const { databaseUrl, dashboardToken, hasDashboard } = settings;
    const store = databaseUrl === undefined ? undefined : postgresStore({ url: databaseUrl });
    return {
      module: ServeModule,
      imports: [
        FastLiteLLMModule.forRoot(mainOptionsOf(settings, store, logger)),
        FastLiteLLMKeysModule.forRoot({ store: store ?? keyStoreOf(settings) }),
        // As in LiteLLM, only keys, teams and budgets have limits.
        FastLiteLLMGatewayModule.forRoot({
          ...gatewayOptionsOf(settings),
          unprefixed: true,
          sdkPaths: true,
          rateLimit: { default: false },
        }),
        FastLiteLLMAdminModule.forRoot({ store: modelStoreOf(settings, store), health: true }),
        ...(store === undefined ? [] : [FastLiteLLMSpendModule.forRoot({ store })]),
        ...(hasDashboard ? [FastLiteLLMDashboardModule.forRoot({ token: dashboardToken })] : []),
      ],
      controllers: [OperatorController],
      providers: [
        { provide: OPERATOR_PARTS, useValue: parts },
        // Also for bodies that are not JSON, and unknown paths.
        { provide: APP_FILTER, useClass: OpenAIErrorFilter },
      ],
    };
  }
}

function mainOptionsOf(settings: ServeSettings, store: PostgresStore | undefined, logger: LogSink): FastLiteLLMOptions {
  const { configPath, modelList, handledSettings, redisUrl, attemptTimeoutMs, dropsParams, noticeMs, drainMs } = settings;
  return {
    logger,
    router: {
      configPath,
      // Also on SIGHUP.
      watch: configPath !== undefined,
      handledSettings,
      modelList: [...modelList],
      ...(redisUrl !== undefined && { sharedState: redisRouterState({ url: redisUrl }) }),
    },
    // The vocabulary of most models. The self-test uses the same one, so that no second one is
    // loaded.
    tokenCounter: { preload: ['o200k_base'] },
    rateLimit: limitStoreOf(settings, store),
    llmClient: {
      ...(attemptTimeoutMs !== undefined && { attemptTimeoutMs }),
      ...(dropsParams !== undefined && { dropParams: dropsParams }),
    },
    shutdown: { noticeMs, drainMs },
    // `/metrics` reads them without prom-client.
    metrics: false,
  };
}

/** Redis, else PostgreSQL, else a file, else the memory of this process. */
function limitStoreOf({ redisUrl, stateFolder }: ServeSettings, store: PostgresStore | undefined): FastLiteLLMOptions['rateLimit'] {
  if (redisUrl !== undefined) return { store: redisRateLimitStore({ url: redisUrl, onStoreError: 'local' }) };
  if (store !== undefined) return { store: postgresRateLimitStore({ store, onStoreError: 'local' }) };
  return stateFolder === undefined ? {} : { budgets: { snapshotFile: join(openFolder(stateFolder), 'budgets.json') } };
}

function keyStoreOf({ redisUrl, stateFolder }: ServeSettings): ApiKeyStore {
  if (redisUrl !== undefined) return redisApiKeyStore({ url: redisUrl });
  return stateFolder === undefined ? new MemoryApiKeyStore() : fileApiKeyStore(join(openFolder(stateFolder), 'keys.json'));
}

/** `undefined`: the API cannot add models. */
function modelStoreOf(
  { storesModels, stateFolder }: ServeSettings,
  store: PostgresStore | undefined,
): ConfigurationStoreSource | undefined {
  if (!storesModels) return undefined;
  return store ?? (stateFolder === undefined ? undefined : fileConfigurationStore(join(openFolder(stateFolder), 'configuration.json')));
}

function openFolder(folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

function gatewayOptionsOf({ allowedHosts, protectsMetrics }: ServeSettings): GatewayOptions {
  return {
    openOnLoopback: true,
    maxAnonymousBodyBytes: ANONYMOUS_BODY_BYTES,
    allowedHosts,
    protectApp: { withoutKey: protectsMetrics ? WITHOUT_KEY : [...WITHOUT_KEY, 'metrics'], withAnyKey: WITH_ANY_KEY },
  };
}
