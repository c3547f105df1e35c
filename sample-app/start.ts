import { ConsoleLogger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { FastLiteLLMError, readLiteLLMProxySettings } from 'nestjs-fast-litellm';
import { AppModule } from './app.module.js';
import { createHttpAdapter } from './http-adapter.js';
import { StartError } from './start-error.js';

/** Where to listen. */
interface ListenAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i;
/** The example key of LiteLLM's documentation. */
const EXAMPLE_KEY = 'sk-1234';
const LISTEN_FAILURES: Readonly<Record<string, (address: ListenAddress) => string>> = {
  EADDRINUSE: ({ host, port }) => `port ${port} on ${host} is already in use: set PORT to another one, or to 0 for any free port`,
  EACCES: ({ host, port }) => `port ${port} on ${host} is not allowed for this user: set PORT to 1024 or above`,
  ENOTFOUND: ({ host }) => `${host} is not an address of this machine: set HOST to one that is`,
  EADDRNOTAVAIL: ({ host }) => `${host} is not an address of this machine: set HOST to one that is`,
};

/** Nest logs start errors with a stack; the caller logs those with a complete message instead. */
class StartLogger extends ConsoleLogger {
  override error(message: unknown, ...rest: unknown[]): void {
    if (!isExplained(message)) super.error(message, ...(rest as string[]));
  }
}

/** Whether the message of an error is complete without a stack. */
export function isExplained(error: unknown): error is Error {
  return error instanceof StartError || error instanceof FastLiteLLMError;
}

/**
 * Starts the app on `PORT` (default 3000; 0: a free port) and `HOST` (default 127.0.0.1).
 * @throws StartError if it cannot listen; `FastLiteLLMError` for invalid settings of the library.
 */
export async function start(env: Readonly<Record<string, string | undefined>>): Promise<{ app: NestFastifyApplication; url: string }> {
  const address = listenAddress({ ...process.env, ...env });
  if (!LOOPBACK.test(address.host)) requireMasterKey();
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
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new StartError(LISTEN_FAILURES[code]?.(address) ?? message, { cause: error });
  }
}

function listenAddress(env: Readonly<Record<string, string | undefined>>): ListenAddress {
  const port = env.PORT?.trim() || '3000';
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    throw new StartError(`PORT must be a number from 0 to 65535, got ${JSON.stringify(port)}`);
  return { host: env.HOST?.trim() || '127.0.0.1', port: Number(port) };
}

/** Other machines can reach the gateway: without a key of its own it must not start. */
function requireMasterKey(): void {
  const path = process.env.LITELLM_CONFIG?.trim() || undefined;
  const { masterKey, permitsWeakMasterKey } = readLiteLLMProxySettings(path, process.env);
  if (permitsWeakMasterKey || (masterKey !== null && masterKey !== EXAMPLE_KEY)) return;
  const problem = masterKey === null ? 'is not set' : 'is the public one of the documentation';
  throw new StartError(
    `${path ?? 'HOST'}: general_settings.master_key ${problem}: set LITELLM_MASTER_KEY to a key of your own, or HOST to 127.0.0.1`,
  );
}
