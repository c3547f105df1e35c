'use strict';

const { availableParallelism, totalmem } = require('node:os');
const swcOptions = require('./test/support/swc-options.js');

/**
 * The suite runs as CommonJS on every Node version: Jest cannot `require()` an ES module on Node 20, so swc down-levels those that the tests load.
 * swc does not check types: `npm run typecheck` does.
 *
 * `TEST_ENGINE=typescript` (or `native`) makes every test run on that engine alone, through the same variable that an app would set.
 */
if (process.env.TEST_ENGINE) process.env.FAST_LITELLM_ENGINE = process.env.TEST_ENGINE;

// Packages without a CommonJS build. A missing one shows as "Cannot use import statement outside a module".
const esmOnly = [
  '@borewit',
  '@nestjs',
  '@tokenizer',
  'content-disposition',
  'content-type',
  'cookie',
  'file-type',
  'strtok3',
  'token-types',
  'uint8array-extras',
];

/** @type {import('jest').Config} */
module.exports = {
  globalSetup: '<rootDir>/test/support/jest-setup.js',
  testEnvironment: '<rootDir>/test/support/jest-environment.js',
  runtime: '<rootDir>/test/support/jest-runtime.js',
  // Six on the usual two cores, where Jest alone would take one: the tests wait for sockets, windows and processes half of the time.
  // A worker takes up to 1 GB: four where six might not fit.
  maxWorkers: Math.max(totalmem() > 12e9 ? 6 : 4, availableParallelism() - 1),
  // So large that no worker restarts for it: with a limit, Jest starts workers for a few suites as well. Beside its reporter, which sets a timer
  // each second, a suite with fake timers would catch and count that timer.
  workerIdleMemoryLimit: '64GB',
  testSequencer: '<rootDir>/scripts/suite-order.js',
  roots: ['<rootDir>/lib', '<rootDir>/sample-app', '<rootDir>/test', '<rootDir>/scripts'],
  testRegex: '\\.test\\.ts$',
  // What a busy machine needs for the slowest; a test that hangs ends before the suite does.
  testTimeout: Number(process.env.LONG ?? 0) >= 1 ? 240_000 : 60_000,
  // Node's own streams and Jest's messages use it, and suites run in their realm (jest-environment.js).
  fakeTimers: { doNotFake: ['nextTick'] },
  // First `js`: inside node_modules `./x.js` must stay `./x.js`, even beside an `x.ts` or `x.json`.
  moduleFileExtensions: ['js', 'mjs', 'cjs', 'ts', 'tsx', 'json', 'node'],
  resolver: '<rootDir>/test/support/jest-resolver.js',
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/native/target/', '<rootDir>/test/bench/node_modules/'],
  transform: {
    '\\.tsx?$': ['<rootDir>/test/support/jest-transform.js', swcOptions],
    '\\.m?js$': [
      '<rootDir>/test/support/jest-transform.js',
      { jsc: { target: 'es2022', keepClassNames: true }, module: { type: 'commonjs' } },
    ],
  },
  transformIgnorePatterns: [`/node_modules/(?!(?:.*/node_modules/)?(?:${esmOnly.join('|')})/)`, '<rootDir>/native/'],
};
