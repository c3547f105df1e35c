'use strict';

/**
 * Folders of lib/ whose suites say themselves on which engine they run: each on both. `TEST_ENGINE` makes no difference to what they show, so `ready`
 * runs them once. The other suites take the engine that an app gets, and run once more on TypeScript alone. `test/architecture.rules.ts` holds them to it.
 */
const NAMED_ENGINES = ['common', 'connection-pool', 'engine', 'feature-flags', 'monitor', 'rate-limit', 'router', 'token-counter'];

module.exports = { NAMED_ENGINES };
