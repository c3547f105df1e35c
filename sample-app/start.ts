import { ConsoleLogger, Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { FastLiteLLMError } from 'nestjs-fast-litellm';
import { readGatewaySettings } from './access/gateway-settings.js';
import { AppModule } from './app.module.js';
import { createHttpAdapter } from './http-adapter.js';
import { listenAddress, listenFailure, StartError } from './listen-address.js';

/** Nest logs what stops an app from starting, with its stack; errors that say all in their message are left to whoever starts the app. */
class StartLogger extends ConsoleLogger {
  override error(message: unknown, ...rest: unknown[]): void {
    if (!isExplained(message)) super.error(message, ...(rest as string[]));
  }
}

/** Whether an error says all there is to know in its message. */
export function isExplained(error: unknown): error is Error {
  return error instanceof StartError || error instanceof FastLiteLLMError;
}

/** The app, and where it listens, without a slash at the end. */
export interface Started {
  readonly app: NestFastifyApplication;
  readonly url: string;
}

/**
 * Starts the app and listens where `env` says.
 * @throws StartError where it cannot listen; `FastLiteLLMError` where the library's own settings are wrong.
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
    // Not Nest's own `listen`: it would log the error too, in its words.
    return { app, url: await app.getHttpAdapter().getInstance().listen(address) };
  } catch (error) {
    await app.close();
    throw new StartError(listenFailure(error as Error, address), { cause: error });
  }
}
