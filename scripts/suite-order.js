'use strict';
// Jest's order of suites. By itself it takes those first that were slow the last time and, in a fresh clone, those with the largest files: a short file that
// runs for a minute comes last then, alone, while the other processors wait for it.

const { posix, relative, sep } = require('node:path');
const { default: Sequencer } = require('@jest/test-sequencer');

/** Those that take long for what they do, not for what they say. */
const LONGEST = [
  'test/chaos.test.ts',
  'lib/token-counter/token-counter.engine.test.ts',
  'lib/token-counter/token-counter.segments.test.ts',
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
