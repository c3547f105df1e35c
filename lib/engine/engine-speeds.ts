/** Where the native engine is the slower one, by measurement. */
export interface SpeedVerdict {
  /** `rust_token_counting`. */
  readonly component: string;
  /** What of: `texts up to 64 characters`. */
  readonly kind: string;
  /** Milliseconds per call. */
  readonly nativeMs: number;
  readonly typescriptMs: number;
  readonly source: 'calibration' | 'shadow';
}

/** How an engine's work is told apart by size: small numbers from 0, and what to call them. */
export interface SizeClasses {
  /** At most 30. */
  readonly names: readonly string[];
  readonly of: (size: number) => number;
}

/** For work whose size says nothing of its speed. */
export const ONE_SIZE: SizeClasses = { names: ['all calls'], of: () => 0 };

/** Native has to be slower by this much before it is set aside: less is noise. */
const MARGIN = 1.15;
const SHADOW_RUNS = 64;

/** What is known of the speeds of one capability's engines, by size class. */
export class EngineSpeeds {
  /** Bit `i`: for class `i` the native engine is the slower one. */
  slow = 0;

  private readonly verdicts = new Map<number, SpeedVerdict>();
  private readonly shadow: { runs: number; nativeMs: number; typescriptMs: number }[];

  constructor(
    private readonly component: string,
    readonly classes: SizeClasses,
    /** `false`: what is found is told, but changes nothing. */
    private readonly mayChoose = true,
  ) {
    this.shadow = classes.names.map(() => ({ runs: 0, nativeMs: 0, typescriptMs: 0 }));
  }

  /** Whether TypeScript is the faster engine for work of this size. */
  prefersTypeScript(size: number): boolean {
    return this.slow !== 0 && ((this.slow >> this.classes.of(size)) & 1) === 1;
  }

  judge(sizeClass: number, nativeMs: number, typescriptMs: number, source: SpeedVerdict['source']): void {
    if (nativeMs > typescriptMs * MARGIN) {
      if (this.mayChoose) this.slow |= 1 << sizeClass;
      this.verdicts.set(sizeClass, { component: this.component, kind: this.classes.names[sizeClass], nativeMs, typescriptMs, source });
    } else {
      this.slow &= ~(1 << sizeClass);
      this.verdicts.delete(sizeClass);
    }
  }

  /** Both engines did the same work. Judged every so many runs, by those. */
  observe(size: number, nativeMs: number, typescriptMs: number): void {
    const sizeClass = this.classes.of(size);
    const sums = this.shadow[sizeClass];
    sums.nativeMs += nativeMs;
    sums.typescriptMs += typescriptMs;
    if (++sums.runs < SHADOW_RUNS) return;
    this.judge(sizeClass, sums.nativeMs / sums.runs, sums.typescriptMs / sums.runs, 'shadow');
    this.shadow[sizeClass] = { runs: 0, nativeMs: 0, typescriptMs: 0 };
  }

  all(): SpeedVerdict[] {
    return [...this.verdicts.values()];
  }
}
