// One gateway, or with threads and workers several in one program. Arguments: an arrangement as
// JSON, the provider's origin, the ports of Redis, a prefix for its keys.
import 'reflect-metadata';
import cluster from 'node:cluster';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { ROOT } from '../gateway/contenders.js';
import type { Arrangement } from './arrangements.js';

// Not imported: beside the bench's peers the compiler would find another copy of Nest than runs.
const { Logger, Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { FastifyAdapter } = require('@nestjs/platform-fastify');

const [json, origin, redisPorts, prefix] = process.argv.slice(2);
const arrangement = JSON.parse(json) as Arrangement;
const ports = redisPorts.split(',').map(Number);

/** What a program says when it listens. */
export interface Started {
  readonly origins: readonly string[];
  readonly pids: readonly number[];
}

const MANY = 1_000_000_000;
const TIMEOUT_MS = 10_000;

function root(): object {
  const { FastLiteLLMGatewayModule, FastLiteLLMModule, redisRateLimitStore, redisRouterState } = require(
    join(ROOT, 'dist', 'lib', 'index.js'),
  );
  const deployment = (id: string): object => ({
    model_name: 'gpt-4o',
    litellm_params: { model: 'openai/gpt-4o', api_base: `${origin}/v1`, api_key: 'sk-bench' },
    model_info: { id },
  });
  const { limits } = arrangement;
  const shared = { prefix, timeoutMs: TIMEOUT_MS };
  const link = limits.startsWith('redis cluster') ? { client: clusterClient() } : { url: `redis://127.0.0.1:${ports[0]}` };
  const options = { oneSlot: limits === 'redis cluster, one slot' };
  const store = limits === 'memory' ? undefined : redisRateLimitStore({ ...link, ...shared, ...options, onStoreError: 'deny' });
  const sharedState = arrangement.sharesRouter === true ? redisRouterState({ ...link, ...shared }) : undefined;
  const threads = arrangement.run === 'threads' ? { sharedAs: 'bench' } : {};
  class ScaledModule {}
  Module({
    imports: [
      FastLiteLLMModule.forRoot({
        router: { modelList: [deployment('one'), deployment('two')], sharedState, ...threads },
        rateLimit: { limits: { chat: { requestsPerMinute: MANY, tokensPerMinute: MANY } }, store, ...threads },
        connectionPool: { maxConnections: 2048, maxConnectionsPerEndpoint: 1024, ...threads },
        tokenCounter: { preload: ['o200k_base'] },
      }),
      FastLiteLLMGatewayModule.forRoot({ endpoints: ['chat'], rateLimit: [{ name: 'chat' }] }),
    ],
  })(ScaledModule);
  return ScaledModule;
}

function clusterClient(): object {
  const { Cluster } = require(join(ROOT, 'node_modules', 'ioredis'));
  return new Cluster(ports.map((port) => ({ host: '127.0.0.1', port })));
}

async function listen(): Promise<string> {
  Logger.overrideLogger(['error']);
  const app = await NestFactory.create(root(), new FastifyAdapter(), { logger: ['error'] });
  await app.listen(0, '127.0.0.1');
  return `http://127.0.0.1:${((app.getHttpServer() as Server).address() as AddressInfo).port}`;
}

async function start(): Promise<Started> {
  const { run, loops } = arrangement;
  const all = Array.from({ length: loops });
  if (run === 'processes') return { origins: [await listen()], pids: [process.pid] };
  if (run === 'threads') {
    const workers = all.map(() => new Worker(__filename, { argv: process.argv.slice(2) }));
    const origins = await Promise.all(workers.map(async (worker) => String((await once(worker, 'message'))[0])));
    return { origins, pids: [process.pid] };
  }
  cluster.setupPrimary({ args: process.argv.slice(2) });
  const workers = all.map(() => cluster.fork());
  const origins = await Promise.all(workers.map(async (worker) => String((await once(worker, 'message'))[0])));
  // They share one port.
  return { origins: [origins[0]], pids: [process.pid, ...workers.map((worker) => worker.process.pid as number)] };
}

if (!isMainThread) void listen().then((address) => parentPort?.postMessage(address));
else if (cluster.isWorker) void listen().then((address) => process.send?.(address));
else void start().then((started) => process.send?.(started));
process.on('disconnect', () => process.exit());
