// The gateway that users start, as the sample composes it: keys, limits, metrics, a dashboard and health.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MANY = 1_000_000_000;
const LIMIT = { requestsPerMinute: MANY, tokensPerMinute: MANY };
const MASTER_KEY = 'sk-bench-master-0123456789';
const KEY = 'sk-bench-client-0123456789';

/** A gateway that listens, and the headers of a client with a key. */
interface UsersGateway {
  readonly server: Server;
  readonly headers: Readonly<Record<string, string>>;
}

/** @param build Folder of a checkout with a compiled package. Its own copy of Nest is used. */
export async function startUsersGateway(origin: string, build: string): Promise<UsersGateway> {
  const load = createRequire(join(build, 'package.json'));
  const { Logger, Module } = load('@nestjs/common');
  const { NestFactory } = load('@nestjs/core');
  const { FastifyAdapter } = load('@nestjs/platform-fastify');
  const { PrometheusModule } = load('@willsoto/nestjs-prometheus');
  const { TerminusModule } = load('@nestjs/terminus');
  const lib = load(join(build, 'dist', 'lib', 'index.js'));
  const folder = mkdtempSync(join(tmpdir(), 'bench-keys-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  // Older packages have no protection of the whole app.
  const isProtecting = existsSync(join(build, 'dist', 'lib', 'gateway', 'access', 'app-protection.js'));
  const protection = { openOnLoopback: true, protectApp: { withoutKey: ['/health', '/dashboard', '/key'], withAnyKey: ['/v1'] } };
  const deployment = (id: string): object => ({
    model_name: 'gpt-4o',
    litellm_params: { model: 'openai/gpt-4o', api_base: `${origin}/v1`, api_key: 'sk-bench' },
    model_info: { id },
  });
  class UsersModule {}
  Module({
    imports: [
      lib.FastLiteLLMModule.forRoot({
        router: { modelList: [deployment('one'), deployment('two')] },
        connectionPool: { maxConnections: 1024, maxConnectionsPerEndpoint: 1024 },
        llmClient: { maxCallsPerKey: 1024 },
        tokenCounter: { preload: ['o200k_base'] },
      }),
      lib.FastLiteLLMKeysModule.forRoot({ masterKey: MASTER_KEY, store: lib.fileApiKeyStore(join(folder, 'keys.json')) }),
      lib.FastLiteLLMGatewayModule.forRoot({ rateLimit: [{ name: 'chat', ...LIMIT }], ...(isProtecting && protection) }),
      lib.FastLiteLLMDashboardModule.forRoot({ token: MASTER_KEY }),
      PrometheusModule.register(),
      TerminusModule,
    ],
  })(UsersModule);
  Logger.overrideLogger(['error']);
  const app = await NestFactory.create(UsersModule, new FastifyAdapter(), { logger: ['error'] });
  await app.listen(0, '127.0.0.1');
  await app.get(lib.ApiKeyService, { strict: false }).create({ limits: LIMIT }, KEY);
  return { server: app.getHttpServer(), headers: { authorization: `Bearer ${KEY}` } };
}
