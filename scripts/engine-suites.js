'use strict';

/**
 * Folders of lib/ whose suites name both engines, so `TEST_ENGINE` has no effect and `ready` runs
 * them once. The other suites use the default engine and run once more on TypeScript alone. Checked
 * by `test/project/architecture.rules.ts`.
 */
const NAMED_ENGINES = [
  'common',
  'connection-pool',
  'engine',
  'feature-flags',
  'json-body',
  'monitor',
  'rate-limit',
  'router',
  'token-counter',
];

/**
 * Sources whose dependent suites have an engine: it is chosen in the first one, or in a process
 * that the others start. No other suite runs on TypeScript again.
 */
const ENGINE_SOURCES = [
  'lib/engine/engine-choice.ts',
  'lib/cli/main.test.ts',
  'test/e2e/keys/processes.e2e.test.ts',
  'test/e2e/sample-app/sample-process.ts',
];

/**
 * Other suites that are the same with any `TEST_ENGINE`, as parts of paths: they use no engine,
 * name their engines, have Redis decide, or look at pages.
 */
const ENGINE_BLIND = [
  'test/project/',
  'test/bench/',
  '\\.browser\\.test',
  'test/contract/hostile-arguments',
  'test/e2e/app/engine-comparison',
  'test/e2e/app/stalls',
  'test/e2e/app/terminations',
  'test/e2e/connection-pool/',
  'test/e2e/rate-limit/redis/(budget-processes|processes|cluster)',
  'test/e2e/router/redis',
  'test/e2e/router/threads',
  'test/e2e/token-counter/tokenizers',
];

/**
 * Suites that depend on Node's built-in undici and streams, as parts of paths: `ready` runs them on
 * each supported version of Node. The workflow runs all suites on each version.
 */
const NODE_SUITES = [
  'lib/acceleration/libraries/undici',
  'lib/connection-pool/',
  'lib/http/body/',
  'lib/calls/stream/',
  'lib/providers/events/',
  'test/e2e/acceleration',
  'test/e2e/connection-pool',
  'test/e2e/sample-app/gateway',
  'test/e2e/llm-client/hostile-streams',
  'test/e2e/llm-client/newest-sdks',
  'test/e2e/llm-client/send',
  'test/e2e/llm-client/sse',
  'test/e2e/llm-client/streams',
  'test/e2e/sample-app/openai-sdk',
];

module.exports = { ENGINE_BLIND, ENGINE_SOURCES, NAMED_ENGINES, NODE_SUITES };
