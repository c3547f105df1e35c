import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastLiteLLMDashboardModule } from '../../../lib/fast-litellm-dashboard.module.js';
import { FastLiteLLMGatewayModule } from '../../../lib/fast-litellm-gateway.module.js';
import { FastLiteLLMKeysModule } from '../../../lib/fast-litellm-keys.module.js';
import { FastLiteLLMModule } from '../../../lib/fast-litellm.module.js';
import { redisApiKeyStore } from '../../../lib/keys/redis/redis-store.js';
import { redisRateLimitStore } from '../../../lib/rate-limit/redis/redis-store.js';
import type { ModelListEntry } from '../../../lib/router/deployments/deployment.js';

/** The JSON in the only argument of a process. */
export interface GatewayTask {
  readonly redisUrl: string;
  readonly masterKey: string;
  readonly modelList: readonly ModelListEntry[];
}

/** A gateway with keys and limits in Redis. Prints its port, and logs to the standard error as Nest does. */
async function run({ redisUrl, masterKey, modelList }: GatewayTask): Promise<void> {
  const redis = { url: redisUrl, timeoutMs: 5_000, onStoreError: 'deny' } as const;
  @Module({
    imports: [
      FastLiteLLMModule.forRoot({ router: { modelList }, rateLimit: { requestsPerMinute: 100_000, store: redisRateLimitStore(redis) } }),
      FastLiteLLMKeysModule.forRoot({ store: redisApiKeyStore({ url: redisUrl, timeoutMs: 5_000 }), masterKey }),
      FastLiteLLMGatewayModule.forRoot(),
      FastLiteLLMDashboardModule.forRoot({ token: masterKey }),
    ],
  })
  class AppModule {}
  const app = await NestFactory.create(AppModule);
  await app.listen(0, '127.0.0.1');
  const { port } = (app.getHttpServer() as { address(): { port: number } }).address();
  process.stdout.write(`port:${port}\n`);
  process.stdin.resume().once('end', () => void app.close());
}

void run(JSON.parse(process.argv[2]) as GatewayTask);
