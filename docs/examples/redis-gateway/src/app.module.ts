import { Controller, Get, Header, Module, type DynamicModule } from '@nestjs/common';
import {
  FastLiteLLMGatewayModule,
  FastLiteLLMModule,
  redisRateLimitStore,
  redisRouterState,
  type ModelListEntry,
} from 'nestjs-fast-litellm';
import { startProvider } from 'nestjs-fast-litellm/testing';
import { register } from 'prom-client';
import type { Settings } from './settings.js';
import { TeamGuard, type TeamRequest } from './teams.js';

@Controller('metrics')
class MetricsController {
  @Get()
  @Header('content-type', register.contentType)
  metrics(): Promise<string> {
    return register.metrics();
  }
}

@Module({})
export class AppModule {
  static with({ redisUrl: url, redisTimeoutMs: timeoutMs, prefix, configPath }: Settings): DynamicModule {
    return {
      module: AppModule,
      imports: [
        FastLiteLLMModule.forRootAsync({
          useFactory: async () => ({
            // While Redis is away, each process goes on with limits and cooldowns of its own.
            rateLimit: { store: redisRateLimitStore({ url, prefix, timeoutMs, onStoreError: 'local' }) },
            router: {
              ...(configPath === undefined ? { modelList: await localDeployments() } : { configPath }),
              sharedState: redisRouterState({ url, prefix, timeoutMs }),
            },
          }),
        }),
        FastLiteLLMGatewayModule.forRoot({
          guards: [TeamGuard],
          rateLimit: {
            default: [{ name: 'team', requestsPerMinute: 30, tokensPerMinute: 100_000, key: ({ team }: TeamRequest) => team ?? false }],
          },
        }),
      ],
      controllers: [MetricsController],
    };
  }
}

async function localDeployments(): Promise<ModelListEntry[]> {
  const providers = [await startProvider('openai'), await startProvider('anthropic')];
  return providers.map((provider) => provider.deployment('chat'));
}
