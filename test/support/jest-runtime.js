'use strict';
/**
 * Loads packages as Node does, once per worker: Jest alone would load NestJS or TypeScript anew for
 * each suite. Sources, mocks, and packages that keep state, also on `globalThis` as LangChain does,
 * or that lib/ patches stay Jest's.
 */

const { createRequire } = require('node:module');
const { join } = require('node:path');
const { default: Runtime } = require('jest-runtime');

/** A package is listed with those that must be the same instance as in its imports. GraphQL's keep types. */
const SHARED = new RegExp(
  `^(?:${[
    '@ai-sdk/[^/]+',
    '@anthropic-ai/sdk',
    '@nestjs/(?:common|core|microservices|platform-[a-z]+|terminus|testing|throttler|websockets)',
    '@pydantic/genai-prices',
    'ai',
    'express',
    'fast-check',
    'fastify',
    'ioredis',
    'openai',
    'playwright-core',
    'recheck',
    'reflect-metadata',
    'rxjs',
    'supertest',
    'tiktoken/encoders',
    'typescript',
    'ws',
    'yaml',
    'zod',
  ].join('|')})(?:/|$)`,
);

/** A place inside of node_modules, where Node does not warn about `require()` of an ES module. */
const nodeRequire = createRequire(join(__dirname, '..', '..', 'node_modules', 'jest-runtime.js'));

/** Nest's loggers are static: `NestFactory.create(…, { logger: false })` sets them for good. */
function rememberLogger() {
  const { Logger } = nodeRequire('@nestjs/common');
  const { staticInstanceRef, logLevels, isBufferAttached, logBuffer } = Logger;
  return () => Object.assign(Logger, { staticInstanceRef, logLevels, isBufferAttached, logBuffer });
}

let restoreLogger;

module.exports = class SharingRuntime extends Runtime {
  requireModule(from, moduleName, options, isRequireActual) {
    if (moduleName === undefined || options?.isInternalModule || !SHARED.test(moduleName)) {
      return super.requireModule(from, moduleName, options, isRequireActual);
    }
    const loaded = nodeRequire(moduleName);
    restoreLogger ??= rememberLogger();
    return loaded;
  }

  teardown() {
    restoreLogger?.();
    return super.teardown();
  }
};
