'use strict';
// Jest's order of suites. By itself it takes those first that were slow the last time and, in a fresh clone, those with the largest files: a short file that
// runs for a minute comes last then, alone, while the other processors wait for it.

const { posix, relative, sep } = require('node:path');
const { default: Sequencer } = require('@jest/test-sequencer');

/** Those that take long for what they do, not for what they say. */
const LONGEST = [
  'lib/token-counter/token-counter.engine.test.ts',
  'test/rate-limit-redis-processes.e2e.test.ts',
  'test/rate-limit-redis-outage.e2e.test.ts',
  'lib/rate-limit/rate-limit-script.redis.test.ts',
  'lib/rate-limit/rate-limit.histories.test.ts',
  'test/chaos.test.ts',
  'test/terminations.e2e.test.ts',
  'lib/token-counter/token-counter.segments.test.ts',
  'lib/acceleration/tiktoken.test.ts',
  'test/sigterm.e2e.test.ts',
  'test/router-redis.e2e.test.ts',
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
