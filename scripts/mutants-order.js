'use strict';
// For `npm run mutants`: the suites that load the mutated file, nearest first, up to a number.

const { basename, dirname, join, posix, relative, sep } = require('node:path');
const { default: Sequencer } = require('@jest/test-sequencer');
const { LONGEST } = require('./suite-order.js');

/** Rooms whose end-to-end suites have another folder. */
const END_TO_END = { calls: 'llm-client', apis: 'llm-client', providers: 'llm-client', queue: 'llm-client' };

/** The distance of suites that load the mutated file with the whole package. */
const WITH_PACKAGE = 6;

/**
 * How many imports each file is from `start`: files that import it have 1, their importers 2. Paths
 * through `lib/*.ts`, which import everything, do not count.
 */
function distancesTo(start, rootDir, hasteFS) {
  const lib = join(rootDir, 'lib');
  const importers = new Map();
  for (const file of hasteFS.getAllFiles()) {
    for (const name of hasteFS.getDependencies(file) ?? []) {
      if (!name.startsWith('.')) continue;
      const imported = join(dirname(file), name.replace(/\.js$/, '.ts'));
      if (!importers.has(imported)) importers.set(imported, []);
      importers.get(imported).push(file);
    }
  }
  const distances = new Map([[start, 0]]);
  // Entries added in the loop are visited in it.
  for (const [file, distance] of distances) {
    if (dirname(file) === lib) continue;
    for (const importer of importers.get(file) ?? []) {
      if (!distances.has(importer)) distances.set(importer, distance + 1);
    }
  }
  return distances;
}

/** `call-queue.test.ts` has call and queue. */
function wordsOf(path) {
  return basename(path)
    .replace(/\..*/, '')
    .split('-')
    .map((word) => word.replace(/s$/, ''));
}

module.exports = class NearestFirst extends Sequencer {
  sort(tests) {
    const mutated = process.env.MUTATED;
    const folder = dirname(mutated).split('/');
    const subject = END_TO_END[folder[1]] ?? folder[1];
    const words = wordsOf(mutated);
    const distancesIn = new Map();
    const cost = ({ path, context, duration }) => {
      const { rootDir } = context.config;
      if (!distancesIn.has(rootDir)) distancesIn.set(rootDir, distancesTo(join(rootDir, mutated), rootDir, context.hasteFS));
      const imports = distancesIn.get(rootDir).get(path) ?? WITH_PACKAGE;
      const parts = relative(rootDir, dirname(path)).split(sep);
      const apart = folder.findIndex((name, index) => parts[index] !== name);
      const shared = apart === -1 ? folder.length : apart;
      const place = shared > 1 ? folder.length - shared : parts.includes(subject) ? 3 : parts[0] === 'lib' ? 6 : 8;
      const named = wordsOf(path).filter((word) => words.includes(word)).length / words.length;
      const isLong = LONGEST.includes(relative(rootDir, path).split(sep).join(posix.sep));
      return imports + place - 4 * named + Math.log2(1 + (duration ?? (isLong ? 30_000 : 2000)) / 1000);
    };
    // Adds what each suite took in an earlier run.
    super.sort(tests);
    const costs = new Map(tests.map((test) => [test, cost(test)]));
    return [...tests].sort((a, b) => costs.get(a) - costs.get(b)).slice(0, Number(process.env.MUTANT_SUITES) || undefined);
  }
};
