'use strict';
// Jest's order of suites. By itself it takes those first that were slow the last time and, in a fresh clone, those with the largest files: a short file that
// runs for a minute comes last then, alone, while the other processors wait for it.

const { posix, relative, sep } = require('node:path');
const { default: Sequencer } = require('@jest/test-sequencer');

/** Those that take long for what they do, not for what they say. */
const LONGEST = [
  'lib/token-counter/engine/engine.test.ts',
  'test/e2e/rate-limit/redis/processes.e2e.test.ts',
  'test/e2e/rate-limit/redis/outage.e2e.test.ts',
  'lib/rate-limit/redis/script.test.ts',
  'lib/rate-limit/engine/histories.test.ts',
  'test/chaos/chaos.test.ts',
  'test/e2e/app/terminations.e2e.test.ts',
  'lib/token-counter/bpe/encode.test.ts',
  'lib/acceleration/libraries/tiktoken.test.ts',
  'test/e2e/app/sigterm.e2e.test.ts',
  'test/e2e/router/redis.e2e.test.ts',
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
