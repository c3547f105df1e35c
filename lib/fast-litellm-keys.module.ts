import { ConfigurableModuleBuilder, Inject, Module, type DynamicModule, type OnApplicationShutdown, type Type } from '@nestjs/common';
import { lazy } from './common/lazy.js';
import { checkAsyncOptions, fromMainModule, needsForRoot } from './fast-litellm.imports.js';
import { checkBoolean, checkObject, checkRoutePath, optional } from './common/options.js';
import { FastLiteLLM } from './fast-litellm.js';
import { OpenAIErrorFilter } from './gateway/gateway-error.filter.js';
import { DirectoryService } from './directory/directory.service.js';
import type * as DirectoryApi from './directory/api/directory.controllers.js';
import type * as Directories from './directory/stored-directory.js';
import type { StoredDirectory } from './directory/stored-directory.js';
import type { DirectoryOwner } from './directory/directory-store.js';
import type * as AuditApi from './keys/api/audit.controller.js';
import type * as KeyApi from './keys/api/key-api.controller.js';
import { ApiKeyGuard } from './keys/api-key.guard.js';
import { resolveApiKeysOptions, type ApiKeysOptions, type ResolvedApiKeysOptions } from './keys/api-keys.options.js';
import { ApiKeyService } from './keys/api-keys.service.js';
import type { RateLimiterService } from './rate-limit/rate-limit.service.js';
import { proxySettingsIn } from './router/config/proxy-settings.js';

const MASTER_KEY_SETTING = 'general_settings.master_key';

// eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with these routes load them
const keyApi = lazy(() => require('./keys/api/key-api.controller.js') as typeof KeyApi);

// eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with an audit log load it
const auditApi = lazy(() => require('./keys/api/audit.controller.js') as typeof AuditApi);

// eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with teams load it
const directoryApi = lazy(() => require('./directory/api/directory.controllers.js') as typeof DirectoryApi);

// eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with teams load it
const directories = lazy(() => require('./directory/stored-directory.js') as typeof Directories);

/**
 * Which routes are mounted, and where. Separate from the other options, because routes are created
 * before factories run.
 */
export interface KeysMount {
  /** Whether to mount LiteLLM's routes, which manage keys with the master key. Default `true`. */
  readonly api?: boolean;
  /** Path of these routes, below the app's global prefix. Default `key`. */
  readonly path?: string;
  /**
   * Path of LiteLLM's `GET /audit`. Default: `audit` if the store passed to `forRoot` has an audit
   * log, otherwise none.
   */
  readonly auditPath?: string;
  /**
   * Whether to mount LiteLLM's routes for teams, users, budgets, customers and organizations at the
   * root. Default: `true` if the store passed to `forRoot` stores them.
   */
  readonly directory?: boolean;
  /** Whether every module can inject `ApiKeyService` and use `ApiKeyGuard`. Default `true`. */
  readonly isGlobal?: boolean;
}

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<ApiKeysOptions>({ moduleName: 'FastLiteLLMKeys' })
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createApiKeysOptions')
  .setExtras<KeysMount>(
    { api: undefined, path: undefined, auditPath: undefined, directory: undefined, isGlobal: undefined },
    (definition, { isGlobal, ...routes }) => ({
      ...definition,
      global: optional(isGlobal, true, (value) => checkBoolean('keys.isGlobal', value)),
      controllers: controllersOf(routes),
    }),
  )
  .build();

function controllersOf({ api, path, auditPath, directory }: Omit<KeysMount, 'isGlobal'>): Type<object>[] {
  if (!optional(api, true, (value) => checkBoolean('keys.api', value))) return [];
  const keys = keyApi().createKeyApiController(checkRoutePath('keys.path', path ?? 'key'), OpenAIErrorFilter);
  const hasDirectory = optional(directory, false, (value) => checkBoolean('keys.directory', value));
  return [
    keys,
    ...(auditPath === undefined ? [] : [auditApi().createAuditController(checkRoutePath('keys.auditPath', auditPath), OpenAIErrorFilter)]),
    ...(hasDirectory ? directoryApi().createDirectoryControllers(OpenAIErrorFilter) : []),
  ];
}

/**
 * API keys with limits, budgets, models and an expiry. Import it together with `FastLiteLLMModule`.
 * `ApiKeyGuard` requires a key on routes of the app, `FastLiteLLMGatewayModule` on all of its own.
 * With a master key, LiteLLM's routes manage keys: `/key/generate`, `info`, `update`, `delete`,
 * `block`, `unblock`, `regenerate`, `list`, `/key/<key>/reset_spend`.
 *
 * @throws InvalidConfigurationError at boot, naming the option.
 * @example
 * \@Module({
 *   imports: [
 *     FastLiteLLMModule.forRoot(),
 *     FastLiteLLMKeysModule.forRoot({ store: fileApiKeyStore('keys.json') }),
 *   ],
 * })
 * export class AppModule {}
 */
@Module({
  providers: [
    needsForRoot(MODULE_OPTIONS_TOKEN, 'FastLiteLLMKeysModule'),
    {
      provide: ApiKeyService,
      inject: [{ token: FastLiteLLM, optional: true }, MODULE_OPTIONS_TOKEN],
      useFactory: (main: FastLiteLLM | undefined, options?: ApiKeysOptions): ApiKeyService => {
        const llm = fromMainModule(main, 'FastLiteLLMKeysModule');
        const { rateLimiter: limiter, tokenCounter, log: logger } = llm;
        const resolved = withProxySettings(llm, resolveApiKeysOptions(options));
        const directory = directoryOf(resolved, limiter);
        const keys = new ApiKeyService(resolved, { limiter, tokenCounter, logger, directory });
        llm.addCapability(keys);
        if (keys.auditLog !== undefined) llm.auditGuardrails(keys.auditLog);
        return keys;
      },
    },
    // `null` if the store has no directory.
    { provide: DirectoryService, inject: [ApiKeyService], useFactory: ({ directory }: ApiKeyService) => directory ?? null },
    ApiKeyGuard,
  ],
  exports: [ApiKeyService, ApiKeyGuard, DirectoryService],
})
export class FastLiteLLMKeysModule extends ConfigurableModuleClass implements OnApplicationShutdown {
  constructor(@Inject(ApiKeyService) private readonly keys: ApiKeyService) {
    super();
  }

  /**
   * Registers the keys of an app.
   * @throws InvalidConfigurationError at boot, naming the option.
   */
  static override forRoot(options: ApiKeysOptions & KeysMount = {}): DynamicModule {
    const { store, auditPath, directory } = checkObject('options', options) as ApiKeysOptions & KeysMount;
    return super.forRoot({
      ...options,
      auditPath: auditPath ?? (store?.audit === undefined ? undefined : 'audit'),
      directory: directory ?? (store as DirectoryOwner | undefined)?.directory !== undefined,
    });
  }

  /**
   * Registers the module with options that a factory or a class returns at boot.
   * @throws InvalidConfigurationError without one of `useFactory`, `useClass` and `useExisting`.
   */
  static override forRootAsync(options: Parameters<typeof ConfigurableModuleClass.forRootAsync>[0]): DynamicModule {
    return super.forRootAsync(checkAsyncOptions('FastLiteLLMKeysModule', options));
  }

  /** Closes the store. */
  onApplicationShutdown(): Promise<void> {
    return this.keys.close();
  }
}

/** Teams, users and budgets of the store; `undefined` if it keeps none. */
function directoryOf({ store, maxStaleMs }: ResolvedApiKeysOptions, limiter: RateLimiterService): StoredDirectory | undefined {
  const rows = (store as DirectoryOwner | undefined)?.directory;
  return rows === undefined ? undefined : new (directories().StoredDirectory)(rows, limiter, maxStaleMs, store?.audit);
}

const NO_MASTER_KEY =
  'API keys: no master key is set, so /key/… returns 401; set LITELLM_MASTER_KEY, or masterKey: null to manage keys in code only';

/** Fills in unset options from LiteLLM's configuration. */
function withProxySettings({ liteLLMConfig, log }: FastLiteLLM, options: ResolvedApiKeysOptions): ResolvedApiKeysOptions {
  const { handledSettings } = liteLLMConfig;
  if (options.masterKey !== undefined || handledSettings.includes(MASTER_KEY_SETTING)) return options;
  const { masterKey, keyHeader } = proxySettingsIn(liteLLMConfig);
  if (masterKey === null && options.store !== undefined) log.warn(NO_MASTER_KEY);
  return { ...options, masterKey, header: options.header ?? keyHeader ?? undefined };
}
