import { Fact, factIndex, type Members } from '../engine/engine.js';

/**
 * Draws members in proportion to their weights, in the same time for any number of them (Vose's
 * method). The weights never change.
 */
export class AliasTable {
  /** A place gives its own position with this chance, else its alias. */
  private readonly chances: Float64Array;
  private readonly aliases: Int32Array;

  constructor(members: Members) {
    const weights = weightsOf(members);
    const scale = weights.length / sumOf(weights);
    this.chances = weights.map((weight) => weight * scale);
    this.aliases = Int32Array.from(weights, (_, place) => place);
    this.fill();
    // The rest is 1 except for rounding. Entries without weight already have an alias.
    for (const [place, weight] of weights.entries()) if (weight > 0 && this.aliases[place] === place) this.chances[place] = 1;
  }

  /** @param random from 0 to 1, without 1 */
  draw(random: number): number {
    const value = random * this.chances.length;
    const place = Math.floor(value);
    return value - place < this.chances[place] ? place : this.aliases[place];
  }

  /** Fills the rest of each place below 1 with a part of a place above 1. */
  private fill(): void {
    const { chances, aliases } = this;
    const places = Array.from(chances.keys());
    const small = places.filter((place) => chances[place] < 1);
    const large = places.filter((place) => chances[place] >= 1);
    while (small.length > 0 && large.length > 0) {
      const poor = small.pop() as number;
      const rich = large[large.length - 1];
      aliases[poor] = rich;
      chances[rich] -= 1 - chances[poor];
      if (chances[rich] < 1) small.push(large.pop() as number);
    }
  }
}

/**
 * By weight where one is set and not all are 0; else by rpm; else by tpm; else evenly. The engines
 * draw by the same rule.
 */
function weightsOf(members: Members): Float64Array {
  const { slots, facts } = members;
  for (const fact of [Fact.weight, Fact.rpm, Fact.tpm]) {
    const weights = Float64Array.from(slots, (_, position) => {
      const value = facts[factIndex(members, fact, position)];
      return Number.isFinite(value) ? value : 0;
    });
    if (sumOf(weights) > 0) return weights;
  }
  return new Float64Array(slots.length).fill(1);
}

function sumOf(weights: Float64Array): number {
  return weights.reduce((sum, weight) => sum + weight, 0);
}
