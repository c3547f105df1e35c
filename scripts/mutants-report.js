'use strict';
// For `npm run mutants`: one line for the suite that found the mutant.

const { relative } = require('node:path');

module.exports = class MutantReport {
  onTestResult({ path }, { numFailingTests, testExecError, testResults }) {
    if (numFailingTests === 0 && testExecError === undefined) return;
    const failed = testResults.find(({ status }) => status === 'failed');
    // Suites write to stdout.
    console.error(`    ${relative(process.cwd(), path)}: ${failed?.fullName ?? testExecError?.message ?? 'failed'}`.slice(0, 200));
  }
};
