import type { BenchEncoding, Counter } from './contenders.js';
import { hostileText } from './hostile-texts.js';
import { openByName } from './open.js';

export interface HostileQuestion {
  readonly name: string;
  readonly encoding: BenchEncoding;
  /** Left out: only get ready. */
  readonly kind?: string;
  readonly bytes?: number;
}

export interface HostileAnswer {
  readonly ms: number;
  readonly tokens: number;
  readonly error?: string;
}

let counter: Counter | undefined;

// Exits with the bench.
process.on('disconnect', () => process.exit());

process.on('message', ({ name, encoding, kind, bytes }: HostileQuestion) => {
  void (async () => {
    const answer = (given: HostileAnswer): void => void process.send?.(given);
    try {
      counter ??= openByName(name, encoding);
      if (kind === undefined) {
        await counter.count('a short text to get ready');
        return answer({ ms: 0, tokens: 0 });
      }
      const text = hostileText(kind, bytes as number);
      const start = performance.now();
      const tokens = await counter.count(text);
      answer({ ms: performance.now() - start, tokens });
    } catch (error) {
      answer({ ms: NaN, tokens: 0, error: (error as Error).message });
    }
  })();
});
