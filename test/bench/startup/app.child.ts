// A fresh process that starts a Nest app, with or without the module. Argument: `bare` or `module`.
import 'reflect-metadata';
import { join } from 'node:path';
import { Module, type DynamicModule } from '@nestjs/common';
import { NestFactory, type AbstractHttpAdapter } from '@nestjs/core';
import type * as Package from '../../../lib/index.js';
import type { StartUp } from './started.js';

// Not by its types: test/bench/node_modules brings another version of the adapter for the peers.
const { FastifyAdapter } = require('@nestjs/platform-fastify') as { FastifyAdapter: new () => AbstractHttpAdapter };

class AppModule {}

async function start(withModule: boolean): Promise<StartUp> {
  const imports: DynamicModule[] = [];
  const load = (): typeof Package => require(join(__dirname, '..', '..', '..', 'dist', 'lib', 'index.js')) as typeof Package;
  if (withModule) imports.push(load().FastLiteLLMModule.forRoot({ metrics: false, telemetry: false }));
  Module({ imports })(AppModule);
  const app = await NestFactory.create(AppModule, new FastifyAdapter(), { logger: false });
  if (withModule) app.get(load().TokenCounterService).countTokens('Hello world', 'gpt-4');
  await app.listen(0, '127.0.0.1');
  const readyMs = performance.now();
  const { user, system } = process.cpuUsage();
  global.gc?.();
  const { rss } = process.memoryUsage();
  await app.close();
  return { readyMs, cpuMs: (user + system) / 1000, megabytes: rss / 2 ** 20 };
}

void start(process.argv[2] === 'module').then((found) => console.log(JSON.stringify(found)));
