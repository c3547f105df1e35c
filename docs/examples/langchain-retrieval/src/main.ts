import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { deployments } from './providers.js';

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule.with(await deployments(process.env)));
  app.enableShutdownHooks(['SIGINT', 'SIGTERM'], { useProcessExit: true });
  await app.listen(process.env.PORT ?? 3000);
}

void main();
