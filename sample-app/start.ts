import { ConsoleLogger, Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { FastLiteLLMError } from 'nestjs-fast-litellm';
import { readGatewaySettings } from './access/gateway-settings.js';
import { AppModule } from './app.module.js';
import { createHttpAdapter } from './http-adapter.js';
import { listenAddress, listenFailure, StartError } from './listen-address.js';

/**
 * Nest logs start errors with a stack; errors with a complete message are logged by the caller
 * instead.
 */
class StartLogger extends ConsoleLogger {
  override error(message: unknown, ...rest: unknown[]): void {
    if (!isExplained(message)) super.error(message, ...(rest as string[]));
  }
}

/** Whether the message of an error is complete without a stack. */
export function isExplained(error: unknown): error is Error {
  return error instanceof StartError || error instanceof FastLiteLLMError;
}

/** The app and its base URL, without a trailing slash. */
export interface Started {
  readonly app: NestFastifyApplication;
  readonly url: string;
}

/**
 * Starts the app and listens where `env` says.
 * @throws StartError if it cannot listen; `FastLiteLLMError` for invalid settings of the library.
 */
export async function start(env: Readonly<Record<string, string | undefined>>): Promise<Started> {
  const address = listenAddress(env);
  const settings = readGatewaySettings({ ...process.env, ...env });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, createHttpAdapter(settings), {
    abortOnError: false,
    logger: new StartLogger(),
  });
  await app.init();
  const logger = new Logger('Sample');
  for (const notice of settings.notices) logger.warn(notice);
  try {
    // Not Nest's `listen`, which would log the error a second time.
    return { app, url: await app.getHttpAdapter().getInstance().listen(address) };
  } catch (error) {
    await app.close();
    throw new StartError(listenFailure(error as Error, address), { cause: error });
  }
}
