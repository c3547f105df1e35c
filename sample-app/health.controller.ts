import { Controller, Get, Req, ServiceUnavailableException } from '@nestjs/common';
import { HealthCheck, HealthCheckService, type HealthCheckResult } from '@nestjs/terminus';
import { FastLiteLLMHealthIndicator, principalOf, SkipRateLimit } from 'nestjs-fast-litellm';

@Controller('health')
@SkipRateLimit()
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly fastLiteLLM: FastLiteLLMHealthIndicator,
  ) {}

  /**
   * 200 while the self-test of every capability passes, otherwise 503. Only the operator gets
   * details: the master key or, while none is set, any client on this machine.
   */
  @Get()
  @HealthCheck()
  async check(@Req() request: object): Promise<Pick<HealthCheckResult, 'status'>> {
    const client = principalOf(request);
    const checked = this.health.check([() => this.fastLiteLLM.isHealthy('fast_litellm')]);
    if (client !== undefined && client.keyId === undefined) return checked;
    const { status } = await checked.catch(() => ({ status: 'error' as const }));
    if (status === 'ok') return { status };
    throw new ServiceUnavailableException({ status });
  }
}
