import { VERSION } from './common/version.js';
import { DashboardAccess } from './dashboard/dashboard.access.js';
import { readAssets } from './dashboard/dashboard.assets.js';
import { DashboardDesk } from './dashboard/dashboard.controller.js';
import { DashboardFeed } from './dashboard/dashboard.feed.js';
import { resolveDashboardOptions, type DashboardOptions } from './dashboard/dashboard.options.js';
import type { FastLiteLLM } from './fast-litellm.js';
import { dashboardSource } from './fast-litellm-dashboard.source.js';
import type { ApiKeyService } from './keys/api-keys.service.js';

export { createDashboardController } from './dashboard/dashboard.controller.js';

/** Tokens that an address can try in a minute. */
const ATTEMPTS_PER_MINUTE = 20;

/** What the dashboard's routes work with. @throws InvalidConfigurationError naming the option. */
export function openDashboard(llm: FastLiteLLM, options?: DashboardOptions, keys?: ApiKeyService): DashboardDesk {
  readAssets();
  const { token, intervalMs, title } = resolveDashboardOptions(options);
  const feed = new DashboardFeed(dashboardSource(llm, VERSION, keys), intervalMs, llm.log);
  return new DashboardDesk(title, new DashboardAccess(token), feed, llm.rateLimiterUnder({ requestsPerMinute: ATTEMPTS_PER_MINUTE }));
}
