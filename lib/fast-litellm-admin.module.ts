import {
  ConfigurableModuleBuilder,
  Inject,
  Module,
  type DynamicModule,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { resolveAdminOptions, type AdminOptions } from './admin/admin.options.js';
import { ADMIN_SERVICES } from './admin/admin-routes.js';
import { lazy } from './common/lazy.js';
import { checkBoolean, checkObject, optional } from './common/options.js';
import { StoredModels } from './configuration/stored/stored-models.js';
import { checkAsyncOptions, fromMainModule, needsForRoot } from './fast-litellm.imports.js';
import type * as Mounted from './fast-litellm-admin.mounted.js';
import { FastLiteLLM } from './fast-litellm.js';
import { ApiKeyService } from './keys/api-keys.service.js';

// eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with an admin API load it
const mounted = lazy(() => require('./fast-litellm-admin.mounted.js') as typeof Mounted);

/**
 * Which routes are mounted. Separate from the other options, because routes are created before
 * factories run.
 */
export interface AdminMount {
  /**
   * Whether to mount LiteLLM's admin routes (`/model/new`, `/credentials`, …) at the root. They
   * accept the keys of `FastLiteLLMKeysModule`. Default `true`.
   */
  readonly api?: boolean;
  /**
   * Whether to mount LiteLLM's `GET /health` (deployments by their latest check or call) and
   * `/health/services` (test events), too. Default `false`, because many apps have a `/health`.
   */
  readonly health?: boolean;
}

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<AdminOptions>({ moduleName: 'FastLiteLLMAdmin' })
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createAdminOptions')
  .setExtras<AdminMount>({ api: undefined, health: undefined }, (definition, { api, health }) => ({
    ...definition,
    global: true,
    controllers: optional(api, true, (value) => checkBoolean('admin.api', value))
      ? [mounted().adminController(optional(health, false, (value) => checkBoolean('admin.health', value)))]
      : [],
  }))
  .build();

/**
 * LiteLLM's admin API: models and credentials that are added while the app runs, kept in a store
 * with their secrets encrypted, and used by all processes within a second. Import it together with
 * `FastLiteLLMModule` and `FastLiteLLMKeysModule`, whose master key the routes require. Every
 * module can inject `StoredModels`.
 *
 * @throws InvalidConfigurationError at boot, naming the option.
 * @example
 * const store = postgresStore({ url: process.env.DATABASE_URL });
 * \@Module({
 *   imports: [
 *     FastLiteLLMModule.forRoot({ router: { configPath: 'config.yaml' } }),
 *     FastLiteLLMKeysModule.forRoot({ store }),
 *     FastLiteLLMAdminModule.forRoot({ store }),
 *   ],
 * })
 * export class AppModule {}
 */
@Module({
  providers: [
    needsForRoot(MODULE_OPTIONS_TOKEN, 'FastLiteLLMAdminModule'),
    {
      provide: StoredModels,
      inject: [{ token: FastLiteLLM, optional: true }, MODULE_OPTIONS_TOKEN, { token: ApiKeyService, optional: true }],
      useFactory: (main: FastLiteLLM | undefined, options: AdminOptions | undefined, keys?: ApiKeyService): StoredModels => {
        const llm = fromMainModule(main, 'FastLiteLLMAdminModule');
        const stored = mounted().openStoredModels(llm, resolveAdminOptions(options), keys);
        llm.addCapability(stored);
        return stored;
      },
    },
    {
      provide: ADMIN_SERVICES,
      inject: [{ token: FastLiteLLM, optional: true }, StoredModels, { token: ApiKeyService, optional: true }],
      useFactory: (main: FastLiteLLM | undefined, stored: StoredModels, keys?: ApiKeyService) =>
        mounted().openAdminServices(fromMainModule(main, 'FastLiteLLMAdminModule'), stored, keys),
    },
  ],
  exports: [StoredModels],
})
export class FastLiteLLMAdminModule extends ConfigurableModuleClass implements OnModuleInit, OnApplicationShutdown {
  constructor(@Inject(StoredModels) private readonly stored: StoredModels) {
    super();
  }

  /**
   * Registers the admin API of an app.
   * @throws InvalidConfigurationError at boot, naming the option.
   */
  static override forRoot(options: AdminOptions & AdminMount = {}): DynamicModule {
    return super.forRoot(checkObject('options', options));
  }

  /**
   * Registers the module with options that a factory or a class returns at boot.
   * @throws InvalidConfigurationError without one of `useFactory`, `useClass` and `useExisting`.
   */
  static override forRootAsync(options: Parameters<typeof ConfigurableModuleClass.forRootAsync>[0]): DynamicModule {
    return super.forRootAsync(checkAsyncOptions('FastLiteLLMAdminModule', options));
  }

  /** Loads the stored models before the app listens. */
  onModuleInit(): Promise<void> {
    return this.stored.start();
  }

  /** Closes the store. */
  onApplicationShutdown(): Promise<void> {
    return this.stored.close();
  }
}
