import { ConfigurableModuleBuilder, Logger, Module, type DynamicModule } from '@nestjs/common';
import { needsForRoot } from './common/needs-for-root.js';
import { checkObject } from './common/options.js';
import { VERSION } from './common/version.js';
import { DashboardAccess } from './dashboard/dashboard.access.js';
import { readAssets } from './dashboard/dashboard.assets.js';
import { createDashboardController, DashboardDesk } from './dashboard/dashboard.controller.js';
import { DashboardFeed } from './dashboard/dashboard.feed.js';
import { checkDashboardPath, resolveDashboardOptions, type DashboardOptions } from './dashboard/dashboard.options.js';
import { FastLiteLLM } from './fast-litellm.js';
import { dashboardSource } from './fast-litellm-dashboard.source.js';
import { ApiKeyService } from './keys/api-keys.service.js';

/**
 * Where the dashboard is mounted. Beside the options, because routes are created before factories
 * run.
 */
export interface DashboardMount {
  /** Default `/dashboard`. */
  readonly path?: string;
}

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<DashboardOptions>({
  moduleName: 'FastLiteLLMDashboard',
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createDashboardOptions')
  .setExtras<DashboardMount>({ path: '/dashboard' }, (definition, { path }) => ({
    ...definition,
    controllers: [createDashboardController(checkDashboardPath(path))],
  }))
  .build();

/** Tokens that an address can try in a minute. */
const ATTEMPTS_PER_MINUTE = 20;

/**
 * Mounts a page with health, engines, feature flags, latencies, deployments, limits and
 * connections, on Express and Fastify, beside `FastLiteLLMModule`. If `NODE_ENV` is `production`,
 * it must have a token.
 *
 * @throws InvalidConfigurationError at boot, naming the option; MissingFileError if a bundler left
 * the page's files out.
 * @example
 * \@Module({ imports: [FastLiteLLMModule.forRoot(), FastLiteLLMDashboardModule.forRoot({ token: process.env.DASHBOARD_TOKEN })] })
 * export class AppModule {}
 */
@Module({
  providers: [
    needsForRoot(MODULE_OPTIONS_TOKEN, 'FastLiteLLMDashboardModule'),
    {
      provide: DashboardDesk,
      inject: [FastLiteLLM, MODULE_OPTIONS_TOKEN, { token: ApiKeyService, optional: true }],
      useFactory: (llm: FastLiteLLM, options?: DashboardOptions, keys?: ApiKeyService) => {
        readAssets();
        const { token, intervalMs, title } = resolveDashboardOptions(options);
        const feed = new DashboardFeed(dashboardSource(llm, VERSION, keys), intervalMs, new Logger('FastLiteLLMDashboard'));
        return new DashboardDesk(title, new DashboardAccess(token), feed, llm.rateLimiterUnder({ requestsPerMinute: ATTEMPTS_PER_MINUTE }));
      },
    },
  ],
})
export class FastLiteLLMDashboardModule extends ConfigurableModuleClass {
  /**
   * Mounts the dashboard at `path`.
   * @throws InvalidConfigurationError at boot, naming the option.
   */
  static override forRoot(options: DashboardOptions & DashboardMount = {}): DynamicModule {
    return super.forRoot(checkObject('options', options));
  }
}
