import type { Task } from '../harness/measure.js';
import type { Counter } from './contenders.js';
import type { TextPool } from './texts.js';

/** A contender opened for one encoding. */
export interface Opened {
  readonly name: string;
  readonly asynchronous: boolean;
  readonly counter: Counter;
}

/** How long one contender may take to show, text by text, that it counts right. Every timed block is checked by its sum besides. */
const GATE_MS = 200;

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
  texts: number;
  /** Of how many texts that were compared. */
  of: number;
  first: string;
}

/** More than this share of wrong counts, and a package is not measured: it does other work. Below, it is measured and the difference told. */
export const TOLERATED_SHARE = 0.01;

/** Compares text by text until the time is up. Returns undefined when nothing differs. */
export async function differences({ counter }: Opened, pool: TextPool, expected: Expected): Promise<Differences | undefined> {
  const until = performance.now() + GATE_MS;
  const found: Differences = { texts: 0, of: 0, first: '' };
  for (const [b, block] of pool.blocks.entries()) {
    for (const [t, text] of block.entries()) {
      found.of++;
      const right = expected.texts[b]?.[t] as number;
      const tokens = await countOrError(counter, text);
      if (tokens !== right) noteDifference(found, tokens, right);
      if (performance.now() > until) return found.texts > 0 ? found : undefined;
    }
  }
  return found.texts > 0 ? found : undefined;
}

export function noteDifference(found: Differences, got: number | string, right: number): void {
  found.texts++;
  found.first ||= typeof got === 'number' ? `${got} tokens for ${right}` : got;
}

async function countOrError(counter: Counter, text: string): Promise<number | string> {
  try {
    return await counter.count(text);
  } catch (error) {
    return (error as Error).message;
  }
}

/** One operation of this task counts one block of the pool, the next one each time, and compares the block's sum. */
export class CountTask implements Task {
  readonly name: string;
  /** Blocks whose sum was not the expected one. */
  wrongBlocks = 0;
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
      const block = this.pool.blocks[this.next] as readonly string[];
      let tokens = 0;
      for (let t = 0; t < block.length; t++) tokens += counter.count(block[t] as string) as number;
      this.check(tokens);
    }
  }

  private async runAsynchronous(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      let tokens = 0;
      for (const text of this.pool.blocks[this.next] as readonly string[]) tokens += await this.opened.counter.count(text);
      this.check(tokens);
    }
  }

  private check(tokens: number): void {
    if (tokens !== this.expected.blocks[this.next]) this.wrongBlocks++;
    this.next = (this.next + 1) % this.pool.blocks.length;
  }
}

/** Lets the just-in-time compilers see every shape of text before anything is timed. */
export async function warmUp({ counter }: Opened, texts: readonly string[], ms: number): Promise<void> {
  const until = performance.now() + ms;
  for (let i = 0; performance.now() < until; i++) {
    try {
      await counter.count(texts[i % texts.length] as string);
    } catch {
      return; // The gate says what is wrong.
    }
  }
}
