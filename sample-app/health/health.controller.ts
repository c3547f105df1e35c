import { Controller, Get } from '@nestjs/common';
import { HealthCheck, HealthCheckService, type HealthCheckResult } from '@nestjs/terminus';
import { FastLiteLLMHealthIndicator, SkipRateLimit } from 'nestjs-fast-litellm';

@Controller('health')
@SkipRateLimit()
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly fastLiteLLM: FastLiteLLMHealthIndicator,
  ) {}

  /** 200 while every capability answers a question whose answer is known, 503 otherwise. */
  @Get()
  @HealthCheck()
  check(): Promise<HealthCheckResult> {
    return this.health.check([() => this.fastLiteLLM.isHealthy('fast_litellm')]);
  }
}
