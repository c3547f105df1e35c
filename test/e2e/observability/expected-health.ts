import { HealthIndicatorService } from '@nestjs/terminus';
import { RUST_ACCELERATION_AVAILABLE } from 'nestjs-fast-litellm';

/** Health of a working instance: degraded if the addon is missing and was not disabled. */
export const EXPECTED_HEALTH: 'ok' | 'degraded' =
  RUST_ACCELERATION_AVAILABLE || process.env.TEST_ENGINE === 'typescript' ? 'ok' : 'degraded';

/** How Terminus says `degraded`: 11 has no word for it. */
export const TERMINUS_DEGRADED = 'degraded' in new HealthIndicatorService().check('any') ? 'degraded' : 'up';

/** The same in the words of Terminus, and of the dashboard. */
export const EXPECTED_TERMINUS = EXPECTED_HEALTH === 'ok' ? 'up' : TERMINUS_DEGRADED;
export const EXPECTED_PILL = EXPECTED_HEALTH === 'ok' ? 'Healthy' : 'Degraded: no addon';
