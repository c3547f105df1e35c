'use strict';
// For `npm run mutants`: ends the run with the first suite that fails. Jest's own `bail` would end
// the process.

const { default: TestRunner } = require('jest-runner');

module.exports = class UntilFailure extends TestRunner {
  async runTests(tests, watcher, options) {
    const stop = () => void watcher.setState({ interrupted: true });
    this.on('test-file-failure', stop);
    this.on('test-file-success', ([, { numFailingTests }]) => {
      if (numFailingTests > 0) stop();
    });
    return super.runTests(tests, watcher, options);
  }
};
