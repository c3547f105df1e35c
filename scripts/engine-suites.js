'use strict';

/**
 * Folders of lib/ whose suites say themselves on which engine they run: each on both. `TEST_ENGINE` makes no difference to what they show, so `ready`
 * runs them once. The other suites take the engine that an app gets, and run once more on TypeScript alone. `test/architecture.rules.ts` holds them to it.
 */
const NAMED_ENGINES = ['common', 'connection-pool', 'engine', 'feature-flags', 'monitor', 'rate-limit', 'router', 'token-counter'];

/** Suites that may differ between release lines of Node, whose built-in undici differs: `ready` runs them on each. Parts of paths. */
const NODE_SUITES = [
  'lib/acceleration/undici',
  'lib/connection-pool/',
  'lib/request/',
  'test/acceleration',
  'test/connection-pool',
  'test/gateway',
  'test/llm-client',
  'test/openai-sdk',
];

module.exports = { NAMED_ENGINES, NODE_SUITES };
