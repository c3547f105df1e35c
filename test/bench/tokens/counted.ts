import type { Task } from '../harness/measure.js';
import type { Counter } from './contenders.js';
import type { TextPool } from './texts.js';

/** A contender opened for one encoding. */
export interface Opened {
  readonly name: string;
  readonly asynchronous: boolean;
  readonly counter: Counter;
}

/**
 * Time limit for checking one contender text by text. Each timed block is also checked by its sum.
 */
const GATE_MS = 40;

/** Tokens of every text by the reference, and of every block. */
export interface Expected {
  readonly texts: readonly (readonly number[])[];
  readonly blocks: readonly number[];
}

export function expectedCounts(reference: Counter, pool: TextPool): Expected {
  const known = new Map<string, number>();
  const count = (text: string): number => {
    const tokens = known.get(text) ?? (reference.count(text) as number);
    known.set(text, tokens);
    return tokens;
  };
  const texts = pool.blocks.map((block) => block.map(count));
  return { texts, blocks: texts.map((counts) => counts.reduce((sum, tokens) => sum + tokens, 0)) };
}

/** What a contender counted otherwise than the reference. */
export interface Differences {
  /** Tokens too many or too few, in all. */
  tokens: number;
  /** Of how many. */
  of: number;
  first: string;
}

/**
 * A package with a larger share of wrong counts is not measured; below it, the share is reported.
 */
const TOLERATED_SHARE = 0.005;

export function doesOtherWork(found: Differences | undefined): boolean {
  return found !== undefined && found.tokens > found.of * TOLERATED_SHARE;
}

/** Compares text by text until the time is up. Returns undefined when nothing differs. */
export async function differences({ counter }: Opened, pool: TextPool, expected: Expected): Promise<Differences | undefined> {
  const until = performance.now() + GATE_MS;
  const found: Differences = { tokens: 0, of: 0, first: '' };
  for (const [b, block] of pool.blocks.entries()) {
    for (const [t, text] of block.entries()) {
      if (found.of > 0 && performance.now() > until) return found.tokens > 0 ? found : undefined;
      compare(found, await countOrError(counter, text), expected.texts[b]?.[t]);
    }
  }
  return found.tokens > 0 ? found : undefined;
}

/** Adds one text to what was found. A message instead of a count is all wrong. */
export function compare(found: Differences, got: number | string, right: number): void {
  found.of += right;
  if (got === right) return;
  found.tokens += typeof got === 'number' ? Math.abs(got - right) : right;
  found.first ||= typeof got === 'number' ? `${got} tokens for ${right}` : got;
}

async function countOrError(counter: Counter, text: string): Promise<number | string> {
  try {
    return await counter.count(text);
  } catch (error) {
    return (error as Error).message;
  }
}

/** One operation counts the next block of the pool and compares the block's sum. */
export class CountTask implements Task {
  readonly name: string;
  /** What the blocks' sums showed while it was timed. */
  readonly found: Differences = { tokens: 0, of: 0, first: '' };
  private next = 0;

  constructor(
    private readonly opened: Opened,
    private readonly pool: TextPool,
    private readonly expected: Expected,
  ) {
    this.name = opened.name;
  }

  run(times: number): void | Promise<void> {
    if (this.opened.asynchronous) return this.runAsynchronous(times);
    const { counter } = this.opened;
    for (let i = 0; i < times; i++) {
      const block = this.pool.blocks[this.next];
      let tokens = 0;
      for (let t = 0; t < block.length; t++) tokens += counter.count(block[t]) as number;
      this.check(tokens);
    }
  }

  private async runAsynchronous(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      let tokens = 0;
      for (const text of this.pool.blocks[this.next]) tokens += await this.opened.counter.count(text);
      this.check(tokens);
    }
  }

  private check(tokens: number): void {
    compare(this.found, tokens, this.expected.blocks[this.next]);
    this.next = (this.next + 1) % this.pool.blocks.length;
  }
}

/** Warms up on all kinds of text for `ms` of CPU time, because a busy machine compiles late. */
export async function warmUp({ counter }: Opened, texts: readonly string[], ms: number): Promise<void> {
  const start = process.cpuUsage();
  const spentMs = (): number => {
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  };
  for (let i = 0; spentMs() < ms; i++) {
    try {
      await counter.count(texts[i % texts.length]);
    } catch {
      return; // The gate says what is wrong.
    }
  }
}
