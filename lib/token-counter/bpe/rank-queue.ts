interface Bucket {
  readonly positions: number[];
  ascending: boolean;
}

/**
 * Positions by rank, lowest rank first. One bucket per rank and a heap of the ranks alone: a text has few ranks and many positions,
 * so the time for a position hardly depends on how many there are.
 */
export class RankQueue {
  private readonly buckets = new Map<number, Bucket>();
  private readonly heap: number[] = [];

  put(rank: number, position: number): void {
    const bucket = this.buckets.get(rank);
    if (bucket === undefined) {
      this.buckets.set(rank, { positions: [position], ascending: true });
      this.pushRank(rank);
      return;
    }
    const { positions } = bucket;
    if (position < positions[positions.length - 1]) bucket.ascending = false;
    positions.push(position);
  }

  /** The lowest rank, or -1. */
  nextRank(): number {
    return this.heap.length > 0 ? this.heap[0] : -1;
  }

  /** Takes out the positions of the lowest rank, which is `rank`, in ascending order. */
  take(rank: number): ArrayLike<number> {
    const bucket = this.buckets.get(rank) as Bucket;
    this.buckets.delete(rank);
    this.popRank();
    return bucket.ascending ? bucket.positions : Int32Array.from(bucket.positions).sort();
  }

  private pushRank(rank: number): void {
    const { heap } = this;
    let at = heap.push(rank) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent] <= rank) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = rank;
  }

  private popRank(): void {
    const { heap } = this;
    const rank = heap.pop() as number;
    const { length } = heap;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && heap[child + 1] < heap[child]) child += 1;
      if (heap[child] >= rank) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = rank;
  }
}
