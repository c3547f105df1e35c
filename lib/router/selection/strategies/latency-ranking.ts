import type { OrderContext } from './member-order.js';
import { Ranking } from './ranking.js';
import { Order } from './strategies.js';

/** Draws by chance before all candidates are listed. */
const DRAWS = 12;

/** By the mean of the latest latencies, which is forgotten when the last of them is old. */
export class LatencyRanking extends Ranking {
  private readonly means: Float64Array;
  private readonly sampledAt: Float64Array;
  private readonly sampleTtlMs: number;
  private readonly buffer: number;
  /** Whether figures that are near the best count as equal. */
  private readonly isBuffered: boolean;
  private readonly random: () => number;

  constructor(context: OrderContext) {
    super(context);
    const { memory, order, settings } = context;
    this.means = order === Order.latency ? memory.latency : memory.firstToken;
    this.sampledAt = order === Order.latency ? memory.latencyAt : memory.firstTokenAt;
    this.sampleTtlMs = settings.sampleTtlMs;
    this.buffer = settings.buffer;
    this.isBuffered = settings.buffer > 0;
    this.random = settings.random;
  }

  protected override first(): number {
    const winner = super.first();
    return this.isBuffered && winner >= 0 ? this.nearBest(winner) : winner;
  }

  protected figure(_position: number, slot: number, nowMs: number): number {
    const staleAtMs = this.sampledAt[slot] + this.sampleTtlMs;
    if (staleAtMs <= nowMs) return 0;
    this.wakeBy(staleAtMs);
    return this.means[slot];
  }

  /** One of those whose figure is near the lowest, evenly: by chance while that is quick, else from a list of them. */
  private nearBest(winner: number): number {
    const { keys } = this;
    const limit = keys[winner] * (1 + this.buffer);
    const count = this.slots.length;
    for (let draw = 0; draw < DRAWS; draw++) {
      const position = Math.floor(this.random() * count);
      if (keys[position] <= limit) return position;
    }
    const near: number[] = [];
    this.collect(1, limit, near);
    return near[Math.floor(this.random() * near.length)];
  }

  private collect(node: number, limit: number, near: number[]): void {
    const { keys, winners } = this;
    const winner = winners[node];
    if (keys[winner] > limit) return;
    if (node >= keys.length) near.push(winner);
    else {
      this.collect(2 * node, limit, near);
      this.collect(2 * node + 1, limit, near);
    }
  }
}
