import fc from 'fast-check';
import { Fact, FACTS, factIndex } from '../engine/engine.js';
import { AliasTable } from './alias-table.js';

const DRAWS = 20_000;

/** The share of the draws that each weight gets, with random numbers that are evenly spread. */
function sharesOf(weights: readonly number[], fact: number): number[] {
  const facts = new Float64Array(weights.length * FACTS).fill(Infinity);
  const members = { slots: Int32Array.from(weights, (_, slot) => slot), facts };
  for (const [position, weight] of weights.entries()) facts[factIndex(members, fact, position)] = weight;
  const table = new AliasTable(members);
  const counts = weights.map(() => 0);
  for (let draw = 0; draw < DRAWS; draw++) counts[table.draw(draw / DRAWS)]++;
  return counts.map((count) => count / DRAWS);
}

describe('an alias table', () => {
  it('draws each member in proportion to its weight, rpm or tpm, and never one with a weight of 0', () => {
    const weights = fc.array(fc.constantFrom(0, 0.5, 1, 2.5, 900), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(weights, fc.constantFrom(Fact.weight, Fact.rpm, Fact.tpm), (given, fact) => {
        const sum = given.reduce<number>((total, weight) => total + weight, 0);
        for (const [position, share] of sharesOf(given, fact).entries()) {
          const expected = sum === 0 ? 1 / given.length : given[position] / sum;
          expect(Math.abs(share - expected)).toBeLessThan(0.005);
          if (sum > 0 && given[position] === 0) expect(share).toBe(0);
        }
      }),
      { numRuns: 60 },
    );
  });
});
