import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { PrometheusModule } from '@willsoto/nestjs-prometheus';
import { FastLiteLLMDashboardModule, FastLiteLLMModule } from 'nestjs-fast-litellm';
import { HealthController } from './health/health.controller.js';
import { PageController } from './page/page.controller.js';
import { TIERS } from './tiers/tiers.js';
import { OpenAIErrorFilter } from './tokens/openai-error.filter.js';
import { TokensController } from './tokens/tokens.controller.js';

/** A small gateway: counts tokens over HTTP, for so many requests per client, and shows how it does. */
@Module({
  imports: [
    // Without `preload` the first to ask would wait for the tables.
    FastLiteLLMModule.forRoot({ tokenCounter: { preload: ['o200k_base'] }, rateLimit: { limits: TIERS } }),
    FastLiteLLMDashboardModule.forRoot({ token: process.env.DASHBOARD_TOKEN || undefined }),
    PrometheusModule.register(),
    TerminusModule,
  ],
  controllers: [TokensController, HealthController, PageController],
  providers: [{ provide: APP_FILTER, useClass: OpenAIErrorFilter }],
})
export class AppModule {}
