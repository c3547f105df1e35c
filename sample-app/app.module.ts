import { Module, type MiddlewareConsumer, type NestModule } from '@nestjs/common';
import { APP_FILTER, ModuleRef } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import {
  FastLiteLLMDashboardModule,
  fileApiKeyStore,
  FastLiteLLMGatewayModule,
  FastLiteLLMKeysModule,
  FastLiteLLMModule,
  rateLimitPrecheck,
  type ApiKeysOptions,
  type FastLiteLLMOptions,
  type GatewayOptions,
} from 'nestjs-fast-litellm';
import { BODY_BYTES } from './access/front-door.js';
import { readGatewaySettings } from './access/gateway-settings.js';
import { visitorOf } from './access/visitors.js';
import { HealthController } from './health/health.controller.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { PageController } from './page/page.controller.js';
import { Upstreams } from './providers/upstreams.js';
import { UpstreamsModule } from './providers/upstreams.module.js';
import { CHAT_RULES, LIMITS } from './tiers/tiers.js';
import { ApiErrorFilter } from './tokens/api-error.filter.js';
import { TokensController } from './tokens/tokens.controller.js';

/**
 * A small gateway: OpenAI's API in front of several deployments, with limits per client, metrics
 * and a dashboard.
 */
@Module({
  imports: [
    UpstreamsModule,
    FastLiteLLMModule.forRootAsync({
      imports: [UpstreamsModule],
      inject: [Upstreams],
      useFactory: ({ router }: Upstreams): FastLiteLLMOptions => ({
        router,
        // Without `preload` the first request would wait for the vocabulary.
        tokenCounter: { preload: ['o200k_base'] },
        rateLimit: { limits: LIMITS },
        shutdown: { noticeMs: Number(process.env.SHUTDOWN_NOTICE_MS || 0) },
      }),
    }),
    FastLiteLLMKeysModule.forRootAsync({
      useFactory: (): ApiKeysOptions => {
        const { masterKey, keyHeader, keysFile } = readGatewaySettings(process.env);
        return { masterKey, header: keyHeader ?? undefined, store: keysFile === null ? undefined : fileApiKeyStore(keysFile) };
      },
    }),
    FastLiteLLMGatewayModule.forRootAsync({
      rateLimit: CHAT_RULES,
      useFactory: (): GatewayOptions => ({
        maxBodyBytes: (request) => BODY_BYTES[visitorOf(request).tier],
        allowedHosts: readGatewaySettings(process.env).hosts ?? undefined,
        keys: readGatewaySettings(process.env).masterKey !== null,
      }),
    }),
    FastLiteLLMDashboardModule.forRootAsync({
      // With a master key the dashboard needs a key, too.
      useFactory: () => ({ token: process.env.DASHBOARD_TOKEN || (readGatewaySettings(process.env).masterKey ?? undefined) }),
    }),
    MetricsModule,
    TerminusModule,
  ],
  controllers: [TokensController, HealthController, PageController],
  providers: [{ provide: APP_FILTER, useClass: ApiErrorFilter }],
})
export class AppModule implements NestModule {
  constructor(private readonly moduleRef: ModuleRef) {}

  /** Clients over a limit are rejected before the body of their request is read. */
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(rateLimitPrecheck(this.moduleRef, TokensController, 'count')).forRoutes('v1/tokens/count');
  }
}
