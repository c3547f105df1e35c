import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { createHttpAdapter } from './http-adapter.js';
import { listenAddress, listenFailure, StartError } from './listen-address.js';

/**
 * Starts the app and listens where `env` says.
 * @throws StartError where it cannot listen; `FastLiteLLMError` where the library's own settings are wrong.
 */
export async function start(env: Readonly<Record<string, string | undefined>>): Promise<NestFastifyApplication> {
  const address = listenAddress(env);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, createHttpAdapter(), { abortOnError: false });
  try {
    await app.listen(address.port, address.host);
  } catch (error) {
    await app.close();
    throw new StartError(listenFailure(error as Error, address), { cause: error });
  }
  return app;
}
