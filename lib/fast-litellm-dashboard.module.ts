import { ConfigurableModuleBuilder, Module, type DynamicModule } from '@nestjs/common';
import { lazy } from './common/lazy.js';
import { checkAsyncOptions, fromMainModule, needsForRoot } from './fast-litellm.imports.js';
import { checkObject, checkRoutePath } from './common/options.js';
import { StoredModels } from './configuration/stored/stored-models.js';
import { DASHBOARD_SERVICES, SPENDING_SOURCE, type DashboardOptions } from './dashboard/dashboard.options.js';
import type { SpendingSource } from './dashboard/spending/spending-source.js';
import { DirectoryService } from './directory/directory.service.js';
import { FastLiteLLM } from './fast-litellm.js';
import type * as MountedDashboard from './fast-litellm-dashboard.mounted.js';
import { ApiKeyService } from './keys/api-keys.service.js';

// eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with a dashboard load it
const mounted = lazy(() => require('./fast-litellm-dashboard.mounted.js') as typeof MountedDashboard);

/**
 * Where the dashboard is mounted. Separate from the other options, because routes are created
 * before factories run.
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
    controllers: [mounted().createDashboardController(checkRoutePath('dashboard.path', path))],
  }))
  .build();

/**
 * Mounts a page with health, engines, feature flags, latencies, deployments, limits and
 * connections, on Express and Fastify. Import it together with `FastLiteLLMModule`. If `NODE_ENV`
 * is `production`, it requires a token.
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
      provide: DASHBOARD_SERVICES,
      inject: [
        { token: FastLiteLLM, optional: true },
        MODULE_OPTIONS_TOKEN,
        { token: ApiKeyService, optional: true },
        { token: SPENDING_SOURCE, optional: true },
        { token: StoredModels, optional: true },
        { token: DirectoryService, optional: true },
      ],
      useFactory: (
        llm: FastLiteLLM | undefined,
        options?: DashboardOptions,
        keys?: ApiKeyService,
        spend?: SpendingSource,
        models?: StoredModels,
        directory?: DirectoryService | null,
      ) => {
        const parts = { keys, spend, models, directory: directory ?? undefined };
        return mounted().openDashboard(fromMainModule(llm, 'FastLiteLLMDashboardModule'), options, parts);
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

  /**
   * Registers the module with options that a factory or a class returns at boot.
   * @throws InvalidConfigurationError without one of `useFactory`, `useClass` and `useExisting`.
   */
  static override forRootAsync(options: Parameters<typeof ConfigurableModuleClass.forRootAsync>[0]): DynamicModule {
    return super.forRootAsync(checkAsyncOptions('FastLiteLLMDashboardModule', options));
  }
}
