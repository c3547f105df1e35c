'use strict';
// For `npm run mutants`: suites in the folder of the mutated file first, then those nearby.

const { dirname, relative, sep } = require('node:path');
const { default: Sequencer } = require('@jest/test-sequencer');

module.exports = class NearestFirst extends Sequencer {
  sort(tests) {
    const folder = dirname(process.env.MUTATED).split('/');
    const room = folder[1] ?? '';
    const distance = ({ path, context }) => {
      const parts = relative(context.config.rootDir, dirname(path)).split(sep);
      const shared = folder.findIndex((name, index) => parts[index] !== name);
      const common = shared === -1 ? folder.length : shared;
      // End-to-end suites of the same subject, then all others.
      return common > 1 ? 10 - common : parts.includes(room) ? 20 : parts[0] === 'lib' ? 30 : 40;
    };
    return super.sort(tests).sort((a, b) => distance(a) - distance(b));
  }
};
