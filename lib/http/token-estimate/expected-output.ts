import { makeRoom } from '../../common/collections.js';

/** Pairs of key and model that are remembered; the least recently used are forgotten. */
const MOST_PAIRS = 10_000;
/** Answers that are remembered of a pair. */
const SAMPLES = 100;
/** Fewer say nothing about the longest of twenty. */
const LEAST_SAMPLES = 20;

/** The last answers of one key and model. */
interface Seen {
  readonly tokens: Float64Array;
  count: number;
}

/** Learns the length of a model's answers to a key. */
export class ExpectedOutputs {
  private readonly seen = new Map<string, Seen>();
  /** The pair that is the last of the table. */
  private latest = '';

  /** Adds the output tokens of one answer. */
  learn(key: string, model: string, tokens: number): void {
    const pair = `${model} ${key}`;
    let seen = this.seen.get(pair);
    // The last entry is kept, because V8 creates a new table whenever one becomes empty.
    if (seen === undefined || pair !== this.latest) {
      if (seen !== undefined) this.seen.delete(pair);
      else {
        makeRoom(this.seen, MOST_PAIRS);
        seen = { tokens: new Float64Array(SAMPLES), count: 0 };
      }
      this.seen.set((this.latest = pair), seen);
    }
    seen.tokens[seen.count++ % SAMPLES] = tokens;
  }

  /** Whether any answer of a model to a key is known. */
  knows(key: string, model: string): boolean {
    return this.seen.has(`${model} ${key}`);
  }

  /** 95th percentile of the last 100 answers; `undefined` with fewer than 20. */
  expected(key: string, model: string): number | undefined {
    return this.quantile(key, model, 0.95, LEAST_SAMPLES);
  }

  /** Median of the last 100 answers; `undefined` without answers. */
  median(key: string, model: string): number | undefined {
    return this.quantile(key, model, 0.5, 1);
  }

  private quantile(key: string, model: string, share: number, least: number): number | undefined {
    const seen = this.seen.get(`${model} ${key}`);
    if (seen === undefined || seen.count < least) return undefined;
    const known = seen.tokens.slice(0, Math.min(seen.count, SAMPLES)).sort();
    return known[Math.ceil(known.length * share) - 1];
  }
}
