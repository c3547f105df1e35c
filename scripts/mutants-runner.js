'use strict';
// For `npm run mutants`: runs suites for one mutant after the other in the same process, where
// packages stay loaded and sources stay compiled.

const { runCLI } = require('jest');

async function run({ path, suites }) {
  process.env.MUTATED = path;
  process.env.MUTANT_SUITES = suites;
  const { results } = await runCLI(
    {
      _: [path],
      $0: 'jest',
      findRelatedTests: true,
      silent: true,
      runInBand: true,
      maxWorkers: 1,
      testTimeout: 20_000,
      testEnvironment: './scripts/mutants-environment.js',
      runner: './scripts/mutants-suites.js',
      reporters: ['./scripts/mutants-report.js'],
      testSequencer: './scripts/mutants-order.js',
    },
    [process.cwd()],
  );
  return results.success ? 'survived' : 'killed';
}

process.on('message', (mutant) => {
  run(mutant).then(
    (result) => process.send(result),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
// Timers and promises of a mutant can fail after its suites.
process.on('uncaughtException', () => {});
process.on('unhandledRejection', () => {});
process.once('disconnect', () => process.exit());
