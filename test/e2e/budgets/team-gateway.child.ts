import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  FastLiteLLMGatewayModule,
  FastLiteLLMKeysModule,
  FastLiteLLMModule,
  postgresRateLimitStore,
  postgresStore,
  redisRateLimitStore,
  type ModelListEntry,
  type PostgresRateLimitStoreOptions,
} from 'nestjs-fast-litellm';

/** Settings of the process, its only argument, as JSON. */
export interface TeamGatewayTask {
  readonly postgresUrl: string;
  /** Budgets are in Redis. Default: in PostgreSQL. */
  readonly redisUrl?: string;
  readonly onStoreError: PostgresRateLimitStoreOptions['onStoreError'];
  readonly holdTtlMs?: number;
  readonly masterKey: string;
  readonly modelList: readonly ModelListEntry[];
}

/** A gateway with keys and teams in PostgreSQL. Prints its port, and logs to the standard error as Nest does. */
async function run(task: TeamGatewayTask): Promise<void> {
  const { postgresUrl: url, redisUrl, onStoreError, holdTtlMs, masterKey, modelList } = task;
  const store = postgresStore({ url, timeoutMs: 3_000 });
  const budgets =
    redisUrl === undefined
      ? postgresRateLimitStore({ store, onStoreError, holdTtlMs })
      : redisRateLimitStore({ url: redisUrl, onStoreError, timeoutMs: 5_000 });
  @Module({
    imports: [
      FastLiteLLMModule.forRoot({ router: { modelList, numRetries: 0 }, rateLimit: { requestsPerMinute: 1e6, store: budgets } }),
      FastLiteLLMKeysModule.forRoot({ store, masterKey }),
      FastLiteLLMGatewayModule.forRoot({ rateLimit: { default: false } }),
    ],
  })
  class AppModule {}
  const app = await NestFactory.create(AppModule);
  await app.listen(0, '127.0.0.1');
  const { port } = (app.getHttpServer() as { address(): { port: number } }).address();
  process.stdout.write(`port:${port}\n`);
  process.stdin.resume().once('end', () => void app.close());
}

void run(JSON.parse(process.argv[2]) as TeamGatewayTask);
