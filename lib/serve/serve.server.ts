import type * as Nest from '@nestjs/core';
import type * as Fastify from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { errorMessage, FastLiteLLMError, InvalidConfigurationError, MissingPackageError } from '../common/errors.js';
import { loadLateImportsOnPost } from '../common/deferred-imports.js';
import { loadOptionalPackage } from '../common/optional-package.js';
import { whenOver } from '../common/response-end.js';
import { FastLiteLLM } from '../fast-litellm.js';
import { addFastifyHooks, fastifyServerOptions } from '../gateway/server/fastify-server.js';
import { listenFailure } from '../gateway/server/listen-address.js';
import { mountOpenApi } from '../gateway/openapi/document.js';
import type { OperatorParts } from './operator.controller.js';
import type { ServeLog } from './serve-log.js';
import { keepYoungGenerationSmall, releaseStartMemory } from './start-memory.js';
import { ServeModule } from './serve.module.js';
import type { ServeSettings } from './serve.settings.js';

/** No route of the app has a schema of Fastify's: their compilers take a hundred files. */
const noSchemas = (): never => {
  throw new Error('routes of serve cannot have schemas of Fastify');
};
const WITHOUT_SCHEMAS = { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } };

/** A server that accepts requests. */
export interface RunningServer {
  readonly llm: FastLiteLLM;
  /** `http://127.0.0.1:4000` */
  readonly url: string;
  /** Whether `/docs` is mounted. */
  readonly hasDocs: boolean;
  /** Waits for requests in flight, then closes connections and stores. */
  close(): Promise<void>;
}

/**
 * Starts the app of `serve` and listens.
 * @throws FastLiteLLMError with a complete message for faults that the operator can fix
 */
export async function startServer(settings: ServeSettings, log: ServeLog, parts: OperatorParts = {}): Promise<RunningServer> {
  keepYoungGenerationSmall();
  loadLateImportsOnPost();
  const app = await createApp(settings, log, parts);
  const hasDocs = settings.hasDocs && mountOpenApi(app);
  const { address } = settings;
  try {
    await app.init();
    const server: Server = app.getHttpServer();
    if (settings.keepAliveMs !== undefined) server.keepAliveTimeout = settings.keepAliveMs;
    if (log.isDetailed) logRequests(server, log);
    // Not Nest's `listen`, which would log an error as well.
    const url = await app.getHttpAdapter().getInstance().listen(address);
    const { shutdown } = app.get(FastLiteLLM);
    releaseStartMemory(() => shutdown.requestsUnderWay > 0);
    return { llm: app.get(FastLiteLLM), url: shownUrl(url), hasDocs, close: () => app.close() };
  } catch (error) {
    await app.close().catch(() => {});
    const reason = listenFailure(error, address);
    throw reason === undefined ? error : new InvalidConfigurationError('--port', reason, { cause: error });
  }
}

/**
 * Loads the adapter of the app's NestJS. npm installs the newest one below this package, also in an
 * app on an earlier NestJS, which it cannot be used with.
 * @throws MissingPackageError
 */
function loadFastify(): typeof Fastify {
  return loadOptionalPackage('@nestjs/platform-fastify', 'serve', () => {
    require.resolve('@nestjs/platform-fastify');
    /* eslint-disable @typescript-eslint/no-require-imports -- only serve loads them */
    const [core] = (require('@nestjs/core/package.json') as { readonly version: string }).version.split('.');
    const [adapter] = (require('@nestjs/platform-fastify/package.json') as { readonly version: string }).version.split('.');
    if (adapter !== core) throw new MissingPackageError(`@nestjs/platform-fastify@${core}`, `serve in an app on NestJS ${core}`);
    return require('@nestjs/platform-fastify') as typeof Fastify;
    /* eslint-enable @typescript-eslint/no-require-imports */
  });
}

async function createApp(settings: ServeSettings, log: ServeLog, parts: OperatorParts): Promise<NestFastifyApplication> {
  const { FastifyAdapter } = loadFastify();
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only serve loads it
  const { NestFactory } = require('@nestjs/core') as typeof Nest;
  const { tls, maxHeaderBytes, cors } = settings;
  const http = maxHeaderBytes === undefined ? {} : { maxHeaderSize: maxHeaderBytes };
  const server = tls === undefined ? { http } : { https: { ...tls, ...http } };
  const adapter = new FastifyAdapter({ ...fastifyServerOptions(), ...server, schemaController: WITHOUT_SCHEMAS } as object);
  addFastifyHooks(adapter.getInstance());
  if (cors !== undefined) adapter.enableCors(cors);
  try {
    return await NestFactory.create<NestFastifyApplication>(ServeModule.of(settings, log, parts), adapter, {
      abortOnError: false,
      logger: log,
    });
  } catch (error) {
    if (error instanceof FastLiteLLMError || tls === undefined || !/^ERR_OSSL|PEM|SSL/.test(errorMessage(error))) throw error;
    throw new InvalidConfigurationError('--ssl_certfile_path', `cannot be used (${errorMessage(error)})`, { cause: error });
  }
}

function logRequests(server: Server, log: ServeLog): void {
  server.prependListener('request', ({ method, url }: IncomingMessage, response: ServerResponse) => {
    const startedMs = performance.now();
    // Without the query, which can contain a key.
    const [path] = (url ?? '').split('?', 1);
    whenOver(response, () => log.debug(`${method} ${path} ${response.statusCode} in ${(performance.now() - startedMs).toFixed(1)} ms`));
  });
}

/** Fastify names one address of all: the one that people can open. */
function shownUrl(url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
}
