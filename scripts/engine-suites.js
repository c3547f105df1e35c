'use strict';

/**
 * Folders of lib/ whose suites say themselves on which engine they run: each on both. `TEST_ENGINE` makes no difference to what they show, so `ready`
 * runs them once. The other suites take the engine that an app gets, and run once more on TypeScript alone. `test/project/architecture.rules.ts` checks it.
 */
const NAMED_ENGINES = ['common', 'connection-pool', 'engine', 'feature-flags', 'monitor', 'rate-limit', 'router', 'token-counter'];

/** Suites that may differ between release lines of Node, whose built-in undici differs: `ready` runs them on each. Parts of paths. */
const NODE_SUITES = [
  'lib/acceleration/libraries/undici',
  'lib/connection-pool/',
  'lib/http/',
  'lib/llm-client/',
  'test/e2e/acceleration',
  'test/e2e/connection-pool',
  'test/e2e/sample-app/gateway',
  'test/e2e/llm-client',
  'test/e2e/sample-app/openai-sdk',
];

module.exports = { NAMED_ENGINES, NODE_SUITES };
