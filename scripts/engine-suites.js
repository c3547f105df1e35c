'use strict';

/**
 * Folders of lib/ whose suites say themselves on which engine they run: each on both. `TEST_ENGINE` makes no difference to what they show, so `ready`
 * runs them once. The other suites take the engine that an app gets, and run once more on TypeScript alone. `test/project/architecture.rules.ts` checks it.
 */
const NAMED_ENGINES = ['common', 'connection-pool', 'engine', 'feature-flags', 'monitor', 'rate-limit', 'router', 'token-counter'];

/** Folders whose suites look at sources and scripts, where no engine answers. */
const ENGINE_BLIND = ['test/project', 'test/bench'];

/**
 * Suites that may differ between release lines of Node, whose built-in undici and streams differ: `ready` runs them on each. Parts of paths. The workflow runs
 * all suites on each line.
 */
const NODE_SUITES = [
  'lib/acceleration/libraries/undici',
  'lib/connection-pool/',
  'lib/http/body/',
  'lib/llm-client/stream/',
  'test/e2e/acceleration',
  'test/e2e/connection-pool',
  'test/e2e/sample-app/gateway',
  'test/e2e/llm-client/hostile-streams',
  'test/e2e/llm-client/send',
  'test/e2e/llm-client/sse',
  'test/e2e/llm-client/streams',
  'test/e2e/sample-app/openai-sdk',
];

module.exports = { ENGINE_BLIND, NAMED_ENGINES, NODE_SUITES };
