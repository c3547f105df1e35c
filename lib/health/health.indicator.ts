// eslint-disable-next-line @typescript-eslint/ban-ts-comment
/** @ts-ignore: in the declarations, for those who compile without this optional peer */
import type * as Terminus from '@nestjs/terminus';
import { loadOptionalPackage } from '../common/optional-package.js';
import type { HealthReport } from './health-report.js';

/** What Terminus takes as a result. Terminus 11 knows no `degraded`, so it is never given there. */
type IndicatorResult<Key extends string> = Terminus.HealthIndicatorResult<Key>;

/** The part of a Terminus session that is used here; `degraded` came with 12. */
interface Session<Key extends string> {
  up(data: object): IndicatorResult<Key>;
  down(data: object): IndicatorResult<Key>;
  degraded?(data: object): IndicatorResult<Key>;
}

/** What is asked: `FastLiteLLM` is one. */
export interface HealthSource {
  /** Runs all checks and waits for their results. */
  healthCheckAsync(): Promise<HealthReport & { readonly rustAvailable?: boolean; readonly reason?: string }>;
}

/**
 * The health of all capabilities as Terminus indicators. Needs `@nestjs/terminus` 11 or 12, loaded when it is first asked.
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
   * Whether requests should be sent here (readiness): `up` when every capability answers as configured, `degraded` (on Terminus 11 `up`, with
   * `degraded: true`) when one answers another way, `down` when one does not answer, or the app is shutting down.
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
   * Whether the process should be left to run (liveness): `up` while it answers at all. A Redis that is away, or providers that are, are no reason to restart it.
   * @throws MissingPackageError without `@nestjs/terminus`.
   */
  isAlive<Key extends string>(key: Key): IndicatorResult<Key> {
    return (openTerminus().check(key) as Session<Key>).up({ uptimeSeconds: Math.round(process.uptime()) });
  }
}

let service: Terminus.HealthIndicatorService | undefined;

/** Terminus' own service, without its module: an app's `TerminusModule.forRoot()` would get a second copy of that. */
function openTerminus(): Terminus.HealthIndicatorService {
  return (service ??= loadOptionalPackage('@nestjs/terminus', 'the health indicator', () => {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only when asked: an optional peer
    const { HealthIndicatorService } = require('@nestjs/terminus') as typeof Terminus;
    return new HealthIndicatorService();
  }));
}
