import { ConfigurableModuleBuilder, Inject, Module, type DynamicModule } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { InvalidArgumentError, InvalidConfigurationError } from './common/errors.js';
import { needsForRoot } from './common/needs-for-root.js';
import { checkObject } from './common/options.js';
import { FastLiteLLM } from './fast-litellm.js';
import { MasterKey } from './gateway/access/master-key.js';
import { readBodies } from './gateway/body/bodies.js';
import { createGatewayControllers } from './gateway/gateway.controllers.js';
import { GATEWAY_DESK, type GatewayDesk } from './gateway/gateway.desk.js';
import {
  resolveGatewayMount,
  resolveGatewayOptions,
  type GatewayMount,
  type GatewayOptions,
  type ResolvedGatewayOptions,
} from './gateway/gateway.options.js';
import { documentKeys } from './gateway/openapi/operation.js';
import { GUARD_COUNT, MOUNTED_ROUTES, type MountedRoute } from './gateway/routes/mounted-route.js';
import { RateLimitGuard } from './http/guard/rate-limit.guard.js';
import { ApiKeyService } from './keys/api-keys.service.js';
import type { RateLimitScope } from './rate-limit/store.js';
import { BUDGET_SETTING } from './router/config/config-file.js';
import { readLiteLLMProxyBudget, readLiteLLMProxySettings } from './router/config/proxy-settings.js';

const MASTER_KEY_SETTING = 'general_settings.master_key';
/** LiteLLM's name for it. */
const PROXY_BUDGET = 'litellm-proxy-budget';

/** Names the keys that belong to the mount. */
const NO_MOUNT: GatewayMount = {
  path: undefined,
  endpoints: undefined,
  unprefixed: undefined,
  guards: undefined,
  imports: undefined,
  rateLimit: undefined,
};

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<GatewayOptions>({
  moduleName: 'FastLiteLLMGateway',
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createGatewayOptions')
  .setExtras<GatewayMount>(NO_MOUNT, (definition, mount) => {
    const { controllers, routes } = createGatewayControllers(resolveGatewayMount(mount));
    return {
      ...definition,
      imports: [...(definition.imports ?? []), ...(mount.imports ?? [])],
      providers: [
        ...(definition.providers ?? []),
        { provide: MOUNTED_ROUTES, useValue: routes },
        { provide: GUARD_COUNT, useValue: mount.guards?.length ?? 0 },
      ],
      controllers: [...controllers],
    };
  })
  .build();

/**
 * Mounts the APIs of OpenAI and Anthropic in front of the router's deployments, on Express and
 * Fastify, beside `FastLiteLLMModule`: rate limits, routing, fallbacks, usage and cost for any
 * client of these APIs.
 *
 * @throws InvalidConfigurationError at boot, naming the option.
 * @example
 * \@Module({ imports: [FastLiteLLMModule.forRoot({ router: { configPath: 'config.yaml' } }), FastLiteLLMGatewayModule.forRoot()] })
 * export class AppModule {}
 */
@Module({
  providers: [
    needsForRoot(MODULE_OPTIONS_TOKEN, 'FastLiteLLMGatewayModule'),
    {
      provide: GATEWAY_DESK,
      inject: [FastLiteLLM, GUARD_COUNT, MODULE_OPTIONS_TOKEN, { token: ApiKeyService, optional: true }],
      useFactory: (llm: FastLiteLLM, guards: number, given?: GatewayOptions, apiKeys?: ApiKeyService): GatewayDesk => {
        const options = resolveGatewayOptions(given);
        const keys = keysOf(options, apiKeys);
        return {
          options,
          keys,
          masterKey: keys === null ? masterKeyOf(llm, guards, options) : null,
          client: llm.client,
          router: llm.router,
          tokenCounter: llm.tokenCounter,
          rateLimits: new RateLimitGuard(llm.rateLimiter, llm.tokenCounter),
          budget: budgetOf(llm),
          json: llm.json,
          readiness: () => ({ isShuttingDown: llm.shutdown.isShuttingDown, isHealthy: llm.healthCheck().status !== 'down' }),
        };
      },
    },
  ],
})
export class FastLiteLLMGatewayModule extends ConfigurableModuleClass {
  constructor(
    @Inject(GATEWAY_DESK) desk: GatewayDesk,
    @Inject(MOUNTED_ROUTES) routes: readonly MountedRoute[],
    @Inject(HttpAdapterHost) host: HttpAdapterHost,
  ) {
    super();
    readBodies(host, desk, routes);
    if (desk.keys !== null || desk.masterKey !== null) documentKeys(routes);
  }

  /**
   * Mounts the gateway.
   * @throws InvalidConfigurationError at boot, naming the option.
   */
  static override forRoot(options: GatewayOptions & GatewayMount = {}): DynamicModule {
    return super.forRoot(checkObject('options', options));
  }
}

/** The keys that requests need; `null`: none. */
function keysOf({ keys, masterKey }: ResolvedGatewayOptions, apiKeys: ApiKeyService | undefined): ApiKeyService | null {
  if (keys === true && apiKeys === undefined)
    throw new InvalidConfigurationError('gateway.keys', 'needs FastLiteLLMKeysModule among the imports of the app');
  if (keys === false || apiKeys === undefined) return null;
  if (masterKey !== null)
    throw new InvalidConfigurationError('gateway.masterKey', 'cannot be set beside FastLiteLLMKeysModule: set keys.masterKey there');
  return apiKeys;
}

/** LiteLLM's budget of the whole proxy. */
function budgetOf({ liteLLMConfig, rateLimiter }: FastLiteLLM): RateLimitScope | null {
  const { path, handledSettings, env } = liteLLMConfig;
  const budget = path === undefined || handledSettings.includes(BUDGET_SETTING) ? undefined : readLiteLLMProxyBudget(path, env);
  if (budget === undefined) return null;
  const { usd, duration } = budget;
  const limits = duration === undefined ? { usdTotal: usd } : { usdPerWindow: usd, usdWindow: duration };
  try {
    return { limit: rateLimiter.limitOf({ limit: PROXY_BUDGET, limits }), key: 'all' };
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    const setting = error.path.endsWith('usdWindow') ? 'litellm_settings.budget_duration' : BUDGET_SETTING;
    const advice = `; to limit spending by other means, name ${BUDGET_SETTING} in router.handledSettings`;
    throw new InvalidConfigurationError(`${path}: ${setting}`, error.rule + advice);
  }
}

/** The option, else the one of LiteLLM's configuration, where the app has no guards of its own. */
function masterKeyOf({ liteLLMConfig }: FastLiteLLM, guards: number, { masterKey: own }: ResolvedGatewayOptions): MasterKey | null {
  if (own !== null) return new MasterKey(own);
  const { path, handledSettings, env } = liteLLMConfig;
  if (path === undefined || guards > 0 || handledSettings.includes(MASTER_KEY_SETTING)) return null;
  const { masterKey, keyHeader } = readLiteLLMProxySettings(path, env);
  return masterKey === null ? null : new MasterKey(masterKey, keyHeader);
}
