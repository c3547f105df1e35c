import {
  ConfigurableModuleBuilder,
  Inject,
  Module,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { lazy } from './common/lazy.js';
import { checkObject } from './common/options.js';
import { checkAsyncOptions, fromMainModule, needsForRoot } from './fast-litellm.imports.js';
import { FastLiteLLM } from './fast-litellm.js';
import { resolveSpendLogOptions, type SpendLogOptions } from './spend/spend-log.options.js';
import type * as Logging from './spend/spend-log.js';
import type { SpendLog } from './spend/spend-log.js';

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<SpendLogOptions>({
  moduleName: 'FastLiteLLMSpend',
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createSpendOptions')
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
 * Writes each call to a model to PostgreSQL: who, which model, tokens and cost by kind, durations,
 * status, attempts; and sums by day. Import it together with `FastLiteLLMModule`. Rows are written
 * in batches, off the path of requests.
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
  ],
})
export class FastLiteLLMSpendModule extends ConfigurableModuleClass implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(@Inject(SPEND_LOG) private readonly open: OpenLog) {
    super();
  }

  /**
   * Registers the spend log of an app.
   * @throws InvalidConfigurationError at boot, naming the option.
   */
  static override forRoot(options: SpendLogOptions): DynamicModule {
    return super.forRoot(checkObject('options', options) as unknown as SpendLogOptions);
  }

  /**
   * Registers the module with options that a factory or a class returns at boot.
   * @throws InvalidConfigurationError without one of `useFactory`, `useClass` and `useExisting`.
   */
  static override forRootAsync(options: Parameters<typeof ConfigurableModuleClass.forRootAsync>[0]): DynamicModule {
    return super.forRootAsync(checkAsyncOptions('FastLiteLLMSpendModule', options));
  }

  /** Creates partitions, and sends what former processes have left. */
  onApplicationBootstrap(): void {
    this.open.log.start();
  }

  /** Writes what waits, and closes the store. */
  onApplicationShutdown(): Promise<void> {
    return this.open.close();
  }
}
