import {
  ConfigurableModuleBuilder,
  Inject,
  Module,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { lazy } from './common/lazy.js';
import { InvalidConfigurationError } from './common/errors.js';
import { checkBoolean, checkObject, optional } from './common/options.js';
import { SPENDING_SOURCE } from './dashboard/dashboard.options.js';
import { checkAsyncOptions, fromMainModule, needsForRoot } from './fast-litellm.imports.js';
import type * as Mounted from './fast-litellm-spend.mounted.js';
import { FastLiteLLM } from './fast-litellm.js';
import { ApiKeyService } from './keys/api-keys.service.js';
import { SPEND_SERVICES } from './spend/spend-services.js';
import { resolveSpendLogOptions, type SpendLogOptions } from './spend/spend-log.options.js';
import type * as Logging from './spend/spend-log.js';
import type { SpendLog } from './spend/spend-log.js';
import type { SpendQueries } from './spend/spend-queries.js';
import type { SpendStoreSource } from './spend/spend-store.js';
import { FastLiteLLMSpendService } from './spend/spend.service.js';

// eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with these routes load them
const mounted = lazy(() => require('./fast-litellm-spend.mounted.js') as typeof Mounted);

/**
 * Which routes are mounted. Separate from the other options, because routes are created before
 * factories run.
 */
export interface SpendMount {
  /**
   * Whether to mount LiteLLM's routes about spend (`/spend/logs`, `/global/spend`,
   * `/team/daily/activity`, …) and `/spend/export`. They accept the keys of
   * `FastLiteLLMKeysModule`. Default `true`.
   */
  readonly api?: boolean;
}

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<SpendLogOptions>({
  moduleName: 'FastLiteLLMSpend',
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createSpendOptions')
  .setExtras<SpendMount>({ api: undefined }, (definition, { api }) => ({
    ...definition,
    global: true,
    controllers: optional(api, true, (value) => checkBoolean('spend.api', value)) ? [mounted().spendController()] : [],
  }))
  .build();

// eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with a spend log load it
const logging = lazy(() => require('./spend/spend-log.js') as typeof Logging);
const SPEND_LOG = Symbol('spend log');

/** A spend log, and what ends it. */
interface OpenLog {
  readonly log: SpendLog;
  close(): Promise<void>;
}

/**
 * Writes each call to a model to PostgreSQL: caller, model, tokens and cost by kind, durations,
 * status and attempts; and daily sums. Import it together with `FastLiteLLMModule`. Rows are
 * written in batches, off the path of requests. Every module can inject `FastLiteLLMSpendService`,
 * which reports the spend by key, team, user, model and more; LiteLLM's routes and the dashboard
 * report it over HTTP.
 *
 * @throws InvalidConfigurationError at boot, naming the option.
 * @example
 * const store = postgresStore({ url: process.env.DATABASE_URL });
 * \@Module({
 *   imports: [
 *     FastLiteLLMModule.forRoot(),
 *     FastLiteLLMSpendModule.forRoot({ store }),
 *   ],
 * })
 * export class AppModule {}
 */
@Module({
  providers: [
    needsForRoot(MODULE_OPTIONS_TOKEN, 'FastLiteLLMSpendModule'),
    {
      provide: SPEND_LOG,
      inject: [{ token: FastLiteLLM, optional: true }, MODULE_OPTIONS_TOKEN],
      useFactory: (main: FastLiteLLM | undefined, given: SpendLogOptions): OpenLog => {
        const llm = fromMainModule(main, 'FastLiteLLMSpendModule');
        const options = resolveSpendLogOptions(given);
        const log = new (logging().SpendLog)(options, options.logger ?? llm.log);
        const stop = llm.client.onRecord((record) => log.add(record), { bodies: options.bodies });
        llm.addCapability(log);
        return {
          log,
          close: async () => {
            stop();
            await log.close();
            await options.store.close();
          },
        };
      },
    },
    {
      provide: FastLiteLLMSpendService,
      inject: [MODULE_OPTIONS_TOKEN],
      useFactory: ({ store }: SpendLogOptions) => new FastLiteLLMSpendService(queriesOf(store)),
    },
    { provide: SPENDING_SOURCE, useExisting: FastLiteLLMSpendService },
    {
      provide: SPEND_SERVICES,
      inject: [FastLiteLLMSpendService, MODULE_OPTIONS_TOKEN, { token: ApiKeyService, optional: true }],
      useFactory: (service: FastLiteLLMSpendService, { store }: SpendLogOptions, keys?: ApiKeyService) =>
        mounted().openSpendServices(service, queriesOf(store), keys),
    },
  ],
  exports: [FastLiteLLMSpendService, SPENDING_SOURCE],
})
export class FastLiteLLMSpendModule extends ConfigurableModuleClass implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(@Inject(SPEND_LOG) private readonly open: OpenLog) {
    super();
  }

  /**
   * Registers the spend log of an app.
   * @throws InvalidConfigurationError at boot, naming the option.
   */
  static override forRoot(options: SpendLogOptions & SpendMount): DynamicModule {
    return super.forRoot(checkObject('options', options) as unknown as SpendLogOptions & SpendMount);
  }

  /**
   * Registers the module with options that a factory or a class returns at boot.
   * @throws InvalidConfigurationError without one of `useFactory`, `useClass` and `useExisting`.
   */
  static override forRootAsync(options: Parameters<typeof ConfigurableModuleClass.forRootAsync>[0]): DynamicModule {
    return super.forRootAsync(checkAsyncOptions('FastLiteLLMSpendModule', options));
  }

  /** Creates partitions, and writes the rows that earlier processes have left. */
  onApplicationBootstrap(): void {
    this.open.log.start();
  }

  /** Writes the waiting rows, and closes the store. */
  onApplicationShutdown(): Promise<void> {
    return this.open.close();
  }
}

function queriesOf({ spendQueries }: SpendStoreSource): SpendQueries {
  if (spendQueries !== undefined) return spendQueries;
  throw new InvalidConfigurationError('spend.store', 'must be a store that supports queries, such as postgresStore(…)');
}
