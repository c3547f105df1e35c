import { Controller, Get, Req, ServiceUnavailableException } from '@nestjs/common';
import { HealthCheck, HealthCheckService, type HealthCheckResult } from '@nestjs/terminus';
import { FastLiteLLMHealthIndicator, SkipRateLimit } from 'nestjs-fast-litellm';
import type { IncomingHttpHeaders } from 'node:http';
import { visitorOf } from '../access/visitors.js';

@Controller('health')
@SkipRateLimit()
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly fastLiteLLM: FastLiteLLMHealthIndicator,
  ) {}

  /**
   * 200 while the self-test of every capability passes, otherwise 503. With a master key, clients
   * without it only get the status.
   */
  @Get()
  @HealthCheck()
  async check(@Req() request: { readonly headers: IncomingHttpHeaders }): Promise<HealthCheckResult | Pick<HealthCheckResult, 'status'>> {
    const checked = this.health.check([() => this.fastLiteLLM.isHealthy('fast_litellm')]);
    if (visitorOf(request).seesDetails) return checked;
    try {
      const { status } = await checked;
      return { status };
    } catch (error) {
      if (error instanceof ServiceUnavailableException) throw new ServiceUnavailableException({ status: 'error' });
      throw error;
    }
  }
}
