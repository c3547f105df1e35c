import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastLiteLLMAdminModule } from '../../../lib/fast-litellm-admin.module.js';
import { FastLiteLLMGatewayModule } from '../../../lib/fast-litellm-gateway.module.js';
import { FastLiteLLMKeysModule } from '../../../lib/fast-litellm-keys.module.js';
import { FastLiteLLMModule } from '../../../lib/fast-litellm.module.js';
import { fileConfigurationStore } from '../../../lib/configuration/stored/file-store.js';
import { postgresStore } from '../../../lib/postgres/postgres-store.js';

/** The JSON in the only argument of a process. */
export interface AdminTask {
  readonly databaseUrl?: string;
  readonly file?: string;
  readonly masterKey: string;
}

/** A gateway with the admin API. Prints its port, and logs to the standard error. */
async function run({ databaseUrl, file, masterKey }: AdminTask): Promise<void> {
  const postgres = databaseUrl === undefined ? undefined : postgresStore({ url: databaseUrl, timeoutMs: 10_000 });
  const store = postgres ?? (file === undefined ? undefined : fileConfigurationStore(file));
  @Module({
    imports: [
      FastLiteLLMModule.forRoot({ metrics: false, telemetry: false }),
      FastLiteLLMKeysModule.forRoot({ store: postgres, masterKey }),
      FastLiteLLMAdminModule.forRoot({ store, allowedAddresses: ['127.0.0.0/8'] }),
      FastLiteLLMGatewayModule.forRoot(),
    ],
  })
  class AppModule {}
  const app = await NestFactory.create(AppModule);
  await app.listen(0, '127.0.0.1');
  const { port } = (app.getHttpServer() as { address(): { port: number } }).address();
  process.stdout.write(`port:${port}\n`);
  process.stdin.resume().once('end', () => void app.close());
}

void run(JSON.parse(process.argv[2]) as AdminTask);
