import { ConfigurableModuleBuilder, Inject, Module, type DynamicModule } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { lazy } from './common/lazy.js';
import { checkAsyncOptions, fromMainModule, needsForRoot } from './fast-litellm.imports.js';
import { checkObject } from './common/options.js';
import { FastLiteLLM } from './fast-litellm.js';
import type * as MountedGateway from './fast-litellm-gateway.mounted.js';
import { GATEWAY_CONTEXT, type MountedContext } from './gateway/gateway.context.js';
import { resolveGatewayMount, type GatewayMount, type GatewayOptions } from './gateway/gateway.options.js';
import { GUARD_COUNT, MOUNTED_ROUTES, type MountedRoute } from './gateway/routes/mounted-route.js';
import { ApiKeyService } from './keys/api-keys.service.js';

// eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with a gateway load it
const mounted = lazy(() => require('./fast-litellm-gateway.mounted.js') as typeof MountedGateway);

/** Names the keys that belong to the mount. */
const NO_MOUNT: GatewayMount = {
  path: undefined,
  endpoints: undefined,
  unprefixed: undefined,
  sdkPaths: undefined,
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
    const resolved = resolveGatewayMount(mount);
    const { controllers, routes } = mounted().createGatewayControllers(resolved);
    return {
      ...definition,
      imports: [...(definition.imports ?? []), ...resolved.imports],
      providers: [
        ...(definition.providers ?? []),
        { provide: MOUNTED_ROUTES, useValue: routes },
        { provide: GUARD_COUNT, useValue: resolved.guards.length },
      ],
      controllers: [...controllers],
    };
  })
  .build();

/**
 * Mounts the APIs of OpenAI and Anthropic in front of the router's deployments, on Express and
 * Fastify: rate limits, routing, fallbacks, usage and cost for any client of these APIs. Import it
 * together with `FastLiteLLMModule`.
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
      provide: GATEWAY_CONTEXT,
      inject: [{ token: FastLiteLLM, optional: true }, GUARD_COUNT, MODULE_OPTIONS_TOKEN, { token: ApiKeyService, optional: true }],
      useFactory: (llm: FastLiteLLM | undefined, guards: number, options?: GatewayOptions, keys?: ApiKeyService): MountedContext =>
        mounted().openGateway(fromMainModule(llm, 'FastLiteLLMGatewayModule'), { guards, options, keys }),
    },
  ],
})
export class FastLiteLLMGatewayModule extends ConfigurableModuleClass {
  constructor(
    @Inject(GATEWAY_CONTEXT) gateway: MountedContext,
    @Inject(MOUNTED_ROUTES) routes: readonly MountedRoute[],
    @Inject(HttpAdapterHost) host: HttpAdapterHost,
  ) {
    super();
    mounted().serve(host, gateway, routes);
  }

  /**
   * Mounts the gateway.
   * @throws InvalidConfigurationError at boot, naming the option.
   */
  static override forRoot(options: GatewayOptions & GatewayMount = {}): DynamicModule {
    return super.forRoot(checkObject('options', options));
  }

  /**
   * Registers the module with options that a factory or a class returns at boot.
   * @throws InvalidConfigurationError without one of `useFactory`, `useClass` and `useExisting`.
   */
  static override forRootAsync(options: Parameters<typeof ConfigurableModuleClass.forRootAsync>[0]): DynamicModule {
    return super.forRootAsync(checkAsyncOptions('FastLiteLLMGatewayModule', options));
  }
}
