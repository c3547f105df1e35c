import { ConsoleLogger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  addFastifyHooks,
  checkListenHost,
  corsSettingsOf,
  FastLiteLLMError,
  fastifyServerOptions,
  InvalidConfigurationError,
  listenFailure,
  type ListenAddress,
} from 'nestjs-fast-litellm';
import { AppModule, configPath, MAX_BODY_BYTES } from './app.module.js';

/** Nest logs start errors with a stack; the caller logs those with a complete message instead. */
class StartLogger extends ConsoleLogger {
  override error(message: unknown, ...rest: unknown[]): void {
    if (!isExplained(message)) super.error(message, ...(rest as string[]));
  }
}

/** Whether the message of an error is complete without a stack. */
export function isExplained(error: unknown): error is Error {
  return error instanceof FastLiteLLMError;
}

/** Creates the HTTP server. @throws FastLiteLLMError for an invalid origin in `CORS_ORIGINS`. */
export function createHttpAdapter(): FastifyAdapter {
  const adapter = new FastifyAdapter(fastifyServerOptions(MAX_BODY_BYTES));
  addFastifyHooks(adapter.getInstance());
  const cors = corsSettingsOf('CORS_ORIGINS', process.env.CORS_ORIGINS);
  if (cors !== undefined) adapter.enableCors(cors);
  return adapter;
}

/**
 * Starts the app on `PORT` (default 3000; 0: a free port) and `HOST` (default 127.0.0.1).
 * @throws FastLiteLLMError if it cannot listen, and for invalid settings.
 */
export async function start(env: Readonly<Record<string, string | undefined>>): Promise<{ app: NestFastifyApplication; url: string }> {
  const address = listenAddress({ ...process.env, ...env });
  checkListenHost(address.host, { configPath: configPath() });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, createHttpAdapter(), {
    abortOnError: false,
    logger: new StartLogger(),
  });
  await app.init();
  try {
    // Not Nest's `listen`, which would log the error a second time.
    return { app, url: await app.getHttpAdapter().getInstance().listen(address) };
  } catch (error) {
    await app.close();
    const reason = listenFailure(error, address);
    throw reason === undefined ? error : new InvalidConfigurationError('PORT', reason, { cause: error });
  }
}

function listenAddress(env: Readonly<Record<string, string | undefined>>): ListenAddress {
  const port = env.PORT?.trim() || '3000';
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    throw new InvalidConfigurationError('PORT', `must be an integer from 0 to 65535, got ${JSON.stringify(port)}`);
  return { host: env.HOST?.trim() || '127.0.0.1', port: Number(port) };
}
