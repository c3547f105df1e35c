/** Shares of the newest observation: it moves the ratio by at least this. */
const LEAST_WEIGHT = 0.05;
const WINDOW = 200;
/** With fewer observations the bound is that of `FIRST_BOUND`. */
const LEAST_OBSERVATIONS = 20;
const FIRST_BOUND = 1.25;
const QUANTILE = 0.95;
/** No tokenizer differs more: such a report is of another prompt. */
const MOST_RATIO = 5;

/** A correction as it is kept: `[ratio, observations, recent quotients]`. */
export type KeptCorrection = readonly [ratio: number, observations: number, quotients: readonly number[]];

/** How the tokens of a model and a class of content relate to those that are counted locally. */
export class Correction {
  /** Tokens that the provider reports for one that is counted locally. */
  ratio: number;
  observations = 0;
  /** Reported / estimated, of the last observations. */
  private quotients: number[] = [];
  private next = 0;
  private knownBound: number | undefined = undefined;

  constructor(published: number) {
    this.ratio = published;
  }

  /** A provider has reported what a prompt of so many local tokens cost. */
  observe(local: number, reported: number): void {
    const ratio = reported / local;
    if (!(ratio >= 1 / MOST_RATIO && ratio <= MOST_RATIO)) return;
    this.remember(ratio / this.ratio);
    this.observations++;
    // What is published counts as one observation.
    this.ratio += Math.max(LEAST_WEIGHT, 1 / (this.observations + 1)) * (ratio - this.ratio);
  }

  /** The factor on the estimate that 95 of 100 reports stay below; at least 1. */
  get bound(): number {
    if (this.observations < LEAST_OBSERVATIONS) return FIRST_BOUND;
    if (this.knownBound === undefined) {
      const sorted = [...this.quotients].sort((a, b) => a - b);
      this.knownBound = Math.max(1, sorted[Math.ceil(QUANTILE * sorted.length) - 1]);
    }
    return this.knownBound;
  }

  /** Mean distance of the last reports from their estimates, as a share. */
  get meanError(): number {
    if (this.quotients.length === 0) return 0;
    return this.quotients.reduce((sum, quotient) => sum + Math.abs(quotient - 1), 0) / this.quotients.length;
  }

  keep(): KeptCorrection {
    const ordered = [...this.quotients.slice(this.next), ...this.quotients.slice(0, this.next)];
    return [round(this.ratio), this.observations, ordered.map(round)];
  }

  restore([ratio, observations, quotients]: KeptCorrection): void {
    this.ratio = ratio;
    this.observations = observations;
    this.quotients = quotients.slice(-WINDOW);
    this.next = 0;
    this.knownBound = undefined;
  }

  private remember(quotient: number): void {
    this.quotients[this.next] = quotient;
    this.next = (this.next + 1) % WINDOW;
    this.knownBound = undefined;
  }
}

/** A kept correction that was read; `undefined` for what is none. */
export function keptCorrection(value: unknown): KeptCorrection | undefined {
  if (!Array.isArray(value)) return undefined;
  const [ratio, observations, quotients] = value as unknown[];
  const isCorrection =
    isPositive(ratio) &&
    ratio <= MOST_RATIO &&
    Number.isSafeInteger(observations) &&
    (observations as number) >= 0 &&
    Array.isArray(quotients) &&
    quotients.length <= WINDOW &&
    quotients.every(isPositive);
  return isCorrection ? (value as unknown as KeptCorrection) : undefined;
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}
