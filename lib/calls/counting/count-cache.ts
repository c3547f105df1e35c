import { makeRoom } from '../../common/collections.js';

/** Tokens by the key of their request: a bounded number of them, for a bounded time. */
export class CountCache {
  private readonly counts = new Map<string, { readonly tokens: number; readonly untilMs: number }>();

  constructor(
    private readonly maxCounts: number,
    private readonly ttlMs: number,
  ) {}

  get(key: string, nowMs: number): number | undefined {
    const found = this.counts.get(key);
    if (found === undefined) return undefined;
    this.counts.delete(key);
    if (found.untilMs <= nowMs) return undefined;
    // The last one is the one that was used last.
    this.counts.set(key, found);
    return found.tokens;
  }

  set(key: string, tokens: number, nowMs: number): void {
    if (this.ttlMs === 0) return;
    this.counts.delete(key);
    makeRoom(this.counts, this.maxCounts);
    this.counts.set(key, { tokens, untilMs: nowMs + this.ttlMs });
  }
}
