import { Queues } from './queues.js';
import { Fact, FACTS } from '../../engine/engine.js';

/** By the price of a token in and a token out: a queue for each price. */
export class CostQueues extends Queues {
  private readonly prices = new Float64Array(this.slots.length);
  private readonly ranks = new Int32Array(this.slots.length);

  protected figure(position: number): number {
    return this.ranks[position];
  }

  protected override rebuilt(nowMs: number): void {
    if (this.haveChanged()) this.rank();
    super.rebuilt(nowMs);
  }

  private haveChanged(): boolean {
    return this.prices.some((price, position) => price !== this.members.facts[position * FACTS + Fact.cost]);
  }

  private rank(): void {
    const { prices, ranks } = this;
    for (const position of prices.keys()) prices[position] = this.members.facts[position * FACTS + Fact.cost];
    const ranked = new Map([...new Set(prices)].sort((a, b) => a - b).map((price, rank) => [price, rank]));
    for (const [position, price] of prices.entries()) ranks[position] = ranked.get(price) as number;
  }
}
