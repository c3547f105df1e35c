'use strict';
// The order of suites. In a fresh clone Jest starts the largest files first: a short file that runs
// for a minute would come last, while the other cores are idle.

const { posix, relative, sep } = require('node:path');
const { default: Sequencer } = require('@jest/test-sequencer');

/**
 * Suites that run long, some only with LONG: by turns one that computes and one that waits, so that
 * no core is idle.
 */
const LONGEST = [
  'test/e2e/dashboard/dashboard.browser.test.ts',
  'test/e2e/rate-limit/redis/outage.e2e.test.ts',
  'lib/token-counter/tokenizers/tokenizers.test.ts',
  'test/e2e/router/redis.e2e.test.ts',
  'test/project/declarations.test.ts',
  'test/e2e/token-counter/tokenizers.e2e.test.ts',
  'test/e2e/rate-limit/redis/redis.e2e.test.ts',
  'lib/token-counter/estimates/replay.test.ts',
  'test/e2e/sample-app/page.browser.test.ts',
  'test/e2e/app/sigterm.e2e.test.ts',
  'lib/token-counter/tokenizers/tokenizer-json.test.ts',
  'test/project/setup.test.ts',
  'test/e2e/llm-client/steering.test.ts',
  'test/project/sdk-parameters.test.ts',
  'test/e2e/acceleration/acceleration.e2e.test.ts',
  'test/e2e/llm-client/learned-limits.test.ts',
  'lib/acceleration/libraries/tiktoken.test.ts',
  'test/chaos/chaos.test.ts',
  'test/e2e/gateway/gateway.e2e.test.ts',
  'test/contract/litellm-calls.test.ts',
  'lib/token-counter/engine/engine.test.ts',
  'test/e2e/llm-client/hook-matrix.e2e.test.ts',
  'lib/rate-limit/redis/budget-histories.test.ts',
  'test/e2e/rate-limit/redis/processes.e2e.test.ts',
  'test/e2e/observability/health-states.e2e.test.ts',
  'test/e2e/app/stalls.e2e.test.ts',
  'test/e2e/llm-client/streams.test.ts',
  'test/project/regular-expressions.test.ts',
  'test/e2e/llm-client/sent-prompts.e2e.test.ts',
  'test/e2e/router/threads.e2e.test.ts',
  'test/e2e/llm-client/queue-memory.test.ts',
  'test/e2e/keys/processes.e2e.test.ts',
];

module.exports = class SuiteOrder extends Sequencer {
  sort(tests) {
    const place = ({ path, context }) => {
      const name = relative(context.config.rootDir, path).split(sep).join(posix.sep);
      return (LONGEST.indexOf(name) + LONGEST.length + 1) % (LONGEST.length + 1);
    };
    return super.sort(tests).sort((a, b) => place(a) - place(b));
  }
};
module.exports.LONGEST = LONGEST;
