// eslint-disable-next-line @typescript-eslint/ban-ts-comment
/** @ts-ignore: in the declarations, for those who compile without this optional peer */
import type * as Terminus from '@nestjs/terminus';
import { loadOptionalPackage } from '../common/optional-package.js';
import type { HealthReport } from './health-report.js';

/** A result of Terminus. Terminus 11 has no `degraded`, so it never gets one. */
type IndicatorResult<Key extends string> = Terminus.HealthIndicatorResult<Key>;

/** The part of a Terminus session that is used here; `degraded` is new in Terminus 12. */
interface Session<Key extends string> {
  up(data: object): IndicatorResult<Key>;
  down(data: object): IndicatorResult<Key>;
  degraded?(data: object): IndicatorResult<Key>;
}

/** Runs health checks: a `FastLiteLLM`. */
export interface HealthSource {
  /** Runs all checks and waits for their results. */
  healthCheckAsync(): Promise<HealthReport & { readonly rustAvailable?: boolean; readonly reason?: string }>;
}

/**
 * The health of all capabilities as Terminus indicators. Requires `@nestjs/terminus` 11 or 12,
 * which is loaded by the first check.
 *
 * @example
 * \@Get('ready') \@HealthCheck()
 * ready() {
 *   return this.health.check([() => this.fastLiteLLM.isHealthy('fast_litellm')]);
 * }
 */
export class FastLiteLLMHealthIndicator {
  constructor(private readonly source: HealthSource) {}

  /**
   * Readiness: `up` if every capability works as configured; `degraded` (on Terminus 11 `up` with
   * `degraded: true`) if one works differently; `down` if one fails or the app is shutting down.
   * @throws MissingPackageError without `@nestjs/terminus`.
   */
  async isHealthy<Key extends string>(key: Key): Promise<IndicatorResult<Key>> {
    const session = openTerminus().check(key) as Session<Key>;
    const { status, ...facts } = await this.source.healthCheckAsync();
    if (status === 'down') return session.down(facts);
    if (status === 'ok') return session.up(facts);
    return session.degraded?.(facts) ?? session.up({ degraded: true, ...facts });
  }

  /**
   * Liveness: `up` as long as the process responds. An outage of Redis or of a provider is not a
   * reason to restart it.
   * @throws MissingPackageError without `@nestjs/terminus`.
   */
  isAlive<Key extends string>(key: Key): IndicatorResult<Key> {
    return (openTerminus().check(key) as Session<Key>).up({ uptimeSeconds: Math.round(process.uptime()) });
  }
}

let service: Terminus.HealthIndicatorService | undefined;

/** The service of Terminus without its module, of which the app has its own. */
function openTerminus(): Terminus.HealthIndicatorService {
  return (service ??= loadOptionalPackage('@nestjs/terminus', 'the health indicator', () => {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only when asked: an optional peer
    const { HealthIndicatorService } = require('@nestjs/terminus') as typeof Terminus;
    return new HealthIndicatorService();
  }));
}
