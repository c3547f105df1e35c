'use strict';
// For `npm run mutants`: skips the tests of a suite after its first failure. A mutant can make each
// of them hang.

const Environment = require('../test/support/jest-environment.js');

module.exports = class UntilFailure extends Environment {
  hasFailed = false;

  handleTestEvent({ name, test }) {
    if (name === 'test_done' && test.errors.length > 0) this.hasFailed = true;
    if (name === 'test_start' && this.hasFailed) test.mode = 'skip';
  }
};
