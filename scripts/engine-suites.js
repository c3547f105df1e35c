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
  'test/e2e/rate-limit/(budget-processes|redis/(processes|cluster))',
  'test/e2e/router/redis',
  'test/e2e/router/threads',
  'test/e2e/token-counter/tokenizers',
];

/**
 * Suites of code that reaches an engine only through a service whose own suites run on both. They
 * run on TypeScript at night only, except those of `ENGINE_PATH`. As parts of paths: what is not
 * listed runs on both engines each time.
 */
const ENGINE_FREE = [
  'lib/ai-sdk/',
  'lib/apis/',
  'lib/calls/',
  'lib/dashboard/',
  'lib/keys/',
  'lib/langchain/',
  'lib/providers/',
  'lib/telemetry/',
  'lib/testing/',
  'test/contract/',
  'test/e2e/app/(shutdown-deadline|sigterm)',
  'test/e2e/ai-sdk/',
  'test/e2e/budgets/',
  'test/e2e/dashboard/',
  'test/e2e/gateway/',
  'test/e2e/keys/',
  'test/e2e/langchain/',
  'test/e2e/llm-client/',
  'test/e2e/observability/(grafana|promtool)',
  'test/e2e/rate-limit/redis/(budget-admin|budgets|redis)',
];

/**
 * The suites of `ENGINE_FREE` that run on both engines each time: they import a room with an
 * engine, which `test/project/engine-suites.test.ts` checks, or send requests through all engines.
 */
const ENGINE_PATH = [
  'lib/calls/call-identity',
  'lib/calls/client-spend',
  'lib/calls/counting/',
  'lib/providers/endpoint/(endpoints|passed-bytes|resolution)',
  'test/contract/contract-api',
  'test/contract/litellm-costs',
  'test/contract/litellm-scenarios',
  'test/contract/litellm-tools',
  'test/contract/stored-formats',
  'test/e2e/gateway/exact-counts',
  'test/e2e/gateway/gateway',
  'test/e2e/gateway/list-bounds',
  'test/e2e/gateway/long-bodies',
  'test/e2e/gateway/model-groups',
  'test/e2e/keys/guard',
  'test/e2e/llm-client/budgets',
  'test/e2e/llm-client/caller-limits',
  'test/e2e/llm-client/exact-counts',
  'test/e2e/llm-client/polluted-prototype',
  'test/e2e/llm-client/provider-tokens',
  'test/e2e/llm-client/queue\\.',
  'test/e2e/llm-client/send[.-]',
  'test/e2e/llm-client/sent-prompts',
  'test/e2e/llm-client/streams',
];

/**
 * Regular expressions of the suites that `ready` does not run on TypeScript again.
 * @param {boolean} isNightly whether those of `ENGINE_FREE` run as well
 */
function notOnTypescript(isNightly) {
  const always = [`/lib/(${NAMED_ENGINES.join('|')})/`, `(${ENGINE_BLIND.join('|')})`];
  return isNightly ? always : [...always, `^(?!.*/(?:${ENGINE_PATH.join('|')})).*/(?:${ENGINE_FREE.join('|')})`];
}

/**
 * Suites that depend on Node's built-in undici and streams, as parts of paths: `ready` runs them on
 * the newest version of Node, and at night on each one. The workflow runs all suites on each
 * version.
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

module.exports = { ENGINE_BLIND, ENGINE_FREE, ENGINE_PATH, ENGINE_SOURCES, NAMED_ENGINES, NODE_SUITES, notOnTypescript };
