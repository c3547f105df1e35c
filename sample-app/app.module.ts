import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { PrometheusModule } from '@willsoto/nestjs-prometheus';
import {
  FastLiteLLMDashboardModule,
  FastLiteLLMGatewayModule,
  FastLiteLLMKeysModule,
  FastLiteLLMModule,
  fileApiKeyStore,
  readLiteLLMProxySettings,
  type ApiKeysOptions,
  type DashboardOptions,
  type FastLiteLLMOptions,
  type GatewayOptions,
} from 'nestjs-fast-litellm';
import { register } from 'prom-client';
import { HealthController } from './health.controller.js';
import { PageController } from './page/page.controller.js';
import { LocalProviders, LocalProvidersModule } from './providers/local-providers.js';
import { ApiErrorFilter } from './tokens/api-error.filter.js';
import { TokensController } from './tokens/tokens.controller.js';

/** Largest body of the app's own routes. The gateway limits those of its routes itself. */
export const MAX_BODY_BYTES = 2 * 1024 * 1024;

/**
 * A small gateway: the APIs of OpenAI and Anthropic in front of several deployments, with API keys,
 * limits, metrics and a dashboard. Settings come from the environment when the app starts.
 */
@Module({
  imports: [
    FastLiteLLMModule.forRootAsync({
      imports: [LocalProvidersModule],
      inject: [LocalProviders],
      useFactory: async (local: LocalProviders): Promise<FastLiteLLMOptions> => ({
        router: configPath()
          ? { configPath: configPath(), handledSettings: listOf(process.env.IGNORE_LITELLM_SETTINGS) }
          : await local.start(),
        // Without `preload` the first request would wait for the vocabulary.
        tokenCounter: { preload: ['o200k_base'] },
        // Of each client: of its key or, without one, of its address.
        rateLimit: { requestsPerSecond: 200, burst: 1000, requestsPerMinute: 6000, tokensPerMinute: 5_000_000 },
        shutdown: { noticeMs: Number(process.env.SHUTDOWN_NOTICE_MS || 0) },
      }),
    }),
    FastLiteLLMKeysModule.forRootAsync({
      useFactory: (): ApiKeysOptions => ({ store: process.env.API_KEYS_FILE ? fileApiKeyStore(process.env.API_KEYS_FILE) : undefined }),
    }),
    FastLiteLLMGatewayModule.forRootAsync({
      useFactory: (): GatewayOptions => ({
        openOnLoopback: true,
        maxAnonymousBodyBytes: MAX_BODY_BYTES,
        allowedHosts: process.env.ALLOWED_HOSTS ? listOf(process.env.ALLOWED_HOSTS) : undefined,
        // The routes of keys check them themselves, and so does the dashboard where it has a token.
        protectApp: { withoutKey: ['/health', '/key', ...(dashboardToken() ? ['/dashboard'] : [])], withAnyKey: ['/v1'] },
      }),
    }),
    FastLiteLLMDashboardModule.forRootAsync({
      useFactory: (): DashboardOptions => ({ token: dashboardToken() }),
    }),
    PrometheusModule.register(),
    TerminusModule,
  ],
  controllers: [TokensController, HealthController, PageController],
  providers: [{ provide: APP_FILTER, useClass: ApiErrorFilter }],
})
export class AppModule {
  constructor() {
    // Gauges of prom-client with a counter's name, which promtool rejects.
    for (const name of ['handles', 'requests', 'resources']) register.removeSingleMetric(`nodejs_active_${name}_total`);
  }
}

function dashboardToken(): string | undefined {
  return process.env.DASHBOARD_TOKEN || (readLiteLLMProxySettings(configPath(), process.env).masterKey ?? undefined);
}

/** LiteLLM's `config.yaml`; without one the app starts local providers. */
export function configPath(): string | undefined {
  return process.env.LITELLM_CONFIG?.trim() || undefined;
}

/** The entries of a comma-separated variable. */
function listOf(text = ''): string[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}
