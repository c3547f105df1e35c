import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastLiteLLMGatewayModule } from '../../../lib/fast-litellm-gateway.module.js';
import { FastLiteLLMKeysModule } from '../../../lib/fast-litellm-keys.module.js';
import { FastLiteLLMModule } from '../../../lib/fast-litellm.module.js';
import { redisApiKeyStore } from '../../../lib/keys/redis/redis-store.js';
import type { ConfiguredApiKey } from '../../../lib/keys/api-keys.options.js';
import type { LlmClientOptions } from '../../../lib/calls/llm-client.options.js';
import { RateLimiterService } from '../../../lib/rate-limit/rate-limit.service.js';
import type { RateLimits } from '../../../lib/rate-limit/limits.js';
import { redisRateLimitStore } from '../../../lib/rate-limit/redis/redis-store.js';
import type { RedisRateLimitStoreOptions } from '../../../lib/rate-limit/redis/options.js';
import type { RouterOptions } from '../../../lib/router/router.options.js';

/** Settings of the process, its only argument, as JSON. */
export interface GatewayTask {
  readonly redis: RedisRateLimitStoreOptions;
  readonly masterKey: string;
  readonly limits: RateLimits;
  readonly router: RouterOptions;
  readonly llmClient?: LlmClientOptions;
  /** Default: keys are in Redis. */
  readonly keys?: readonly ConfiguredApiKey[];
}

/** A gateway with keys and budgets in Redis. Prints its port, and logs to the standard error as Nest does. */
async function run({ redis, masterKey, limits, router, llmClient, keys }: GatewayTask): Promise<void> {
  @Module({
    imports: [
      FastLiteLLMModule.forRoot({ router, llmClient, rateLimit: { ...limits, store: redisRateLimitStore(redis) } }),
      FastLiteLLMKeysModule.forRoot({
        masterKey,
        ...(keys === undefined ? { store: redisApiKeyStore({ url: String(redis.url), timeoutMs: 5_000 }) } : { keys }),
      }),
      FastLiteLLMGatewayModule.forRoot({ rateLimit: { default: false } }),
    ],
  })
  class AppModule {}
  const app = await NestFactory.create(AppModule);
  await app.listen(0, '127.0.0.1');
  const { port } = (app.getHttpServer() as { address(): { port: number } }).address();
  process.stdout.write(`port:${port}\n`);
  // Asked by a byte: what Redis has not counted.
  const limiter = app.get(RateLimiterService);
  const unmerged = (): number => limiter.metrics().find(({ name }) => name === 'rate_limit_store_unmerged_usd')?.value ?? 0;
  process.stdin.on('data', () => process.stdout.write(`unmerged:${unmerged()}\n`));
  process.stdin.once('end', () => void app.close());
}

void run(JSON.parse(process.argv[2]) as GatewayTask);
