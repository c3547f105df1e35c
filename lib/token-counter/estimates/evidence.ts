import { FEATURES } from './content-class.js';

/** Size of the lower half of a symmetric matrix. */
const HALF = (FEATURES * (FEATURES + 1)) / 2;
/** Where each row of it starts. */
const STARTS = Array.from({ length: FEATURES }, (_, row) => (row * (row + 1)) / 2);
/** Holds weights near 0 until reports say otherwise. */
const RIDGE = 0.003;
/** Decay of a report's weight with each later one: about the last 200 count. */
const FORGETTING = 0.005;
/** No tokenizer has a ratio beyond this, for any text. */
const MOST_RATIO = 5;
/** More than any prompt has for one of its tokens. */
const MOST_FEATURE = 1e9;
const DIGITS = 8;
const ROUNDING = 1e-3;

/** Evidence as it is kept: reports, and the two halves of its equations. */
export type KeptEvidence = readonly [reports: number, products: readonly number[], targets: readonly number[]];

/**
 * The evidence of reports for the weights of features: the normal equations of their least squares.
 * Additive, so evidence from several processes is their sum.
 */
export class Evidence {
  /** Reports in it, forgotten ones too. */
  reports = 0;
  /** Sums of products of two features, by the weights of reports: the lower half, row by row. */
  readonly products = new Float64Array(HALF);
  /** The same of a feature and its target. */
  readonly targets = new Float64Array(FEATURES);

  add(features: Float64Array, target: number, weight: number): void {
    const keep = 1 - FORGETTING;
    this.reports++;
    for (let row = 0, at = 0; row < FEATURES; row++) {
      this.targets[row] = this.targets[row] * keep + weight * features[row] * target;
      for (let column = 0; column <= row; column++, at++)
        this.products[at] = this.products[at] * keep + weight * features[row] * features[column];
    }
  }

  /** Adds a part of another one. */
  addPart(other: Evidence, part: number): void {
    this.reports += part * other.reports;
    for (let at = 0; at < HALF; at++) this.products[at] += part * other.products[at];
    for (let row = 0; row < FEATURES; row++) this.targets[row] += part * other.targets[row];
  }

  /** The mean of the targets. */
  get mean(): number {
    return this.products[0] > 0 ? this.targets[0] / this.products[0] : 0;
  }

  keep(): KeptEvidence {
    return [this.reports, Array.from(this.products, round), Array.from(this.targets, round)];
  }

  /** Evidence that was kept; `undefined` for what no reports can have made. */
  static read(value: unknown): Evidence | undefined {
    if (!Array.isArray(value)) return undefined;
    const [reports, products, targets] = value as unknown[];
    if (!Number.isSafeInteger(reports) || (reports as number) < 0 || !isNumbers(products, HALF) || !isNumbers(targets, FEATURES))
      return undefined;
    const evidence = new Evidence();
    evidence.reports = reports as number;
    evidence.products.set(products);
    evidence.targets.set(targets);
    return evidence.isPossible ? evidence : undefined;
  }

  /** Each report weighs 1 at most, and by Cauchy and Schwarz no sum exceeds those it is made of. */
  private get isPossible(): boolean {
    const total = this.products[0];
    if (total > this.reports + ROUNDING || !new Fit(this).isSolved) return false;
    return this.targets.every((target, row) => {
      const square = this.products[(row * (row + 3)) / 2];
      return (
        square >= 0 &&
        square <= MOST_FEATURE ** 2 * (total + ROUNDING) &&
        Math.abs(target) <= MOST_RATIO * Math.sqrt(square * total) + ROUNDING
      );
    });
  }
}

/** The weights that fit evidence best, by Cholesky's decomposition. */
export class Fit {
  /** `false`: the equations are those of no evidence. */
  readonly isSolved: boolean;
  private readonly factor = new Float64Array(HALF);
  private readonly weights = new Float64Array(FEATURES);

  constructor(evidence: Evidence) {
    this.isSolved = this.decompose(evidence);
    const solution = this.forward(evidence.targets);
    for (let row = FEATURES - 1; row >= 0; row--) {
      let sum = solution[row];
      for (let below = row + 1; below < FEATURES; below++) sum -= this.factor[STARTS[below] + row] * this.weights[below];
      this.weights[row] = sum / this.factor[STARTS[row] + row];
    }
  }

  predict(features: Float64Array): number {
    let sum = 0;
    for (let row = 0; row < FEATURES; row++) sum += this.weights[row] * features[row];
    return sum;
  }

  /** How uncertain a prediction is, relative to the scatter of the reports. */
  variance(features: Float64Array): number {
    let sum = 0;
    for (const part of this.forward(features)) sum += part * part;
    return sum;
  }

  private decompose(evidence: Evidence): boolean {
    const { factor } = this;
    for (let row = 0, at = 0; row < FEATURES; row++) {
      const first = at;
      for (let column = 0, other = 0; column <= row; column++, at++, other++) {
        let sum = evidence.products[at] + (row === column ? RIDGE : 0);
        for (let k = 0; k < column; k++, other++) sum -= factor[first + k] * factor[other];
        if (row === column && !(sum > 0)) return false;
        factor[at] = row === column ? Math.sqrt(sum) : sum / factor[other];
      }
    }
    return true;
  }

  private forward(right: Float64Array): Float64Array {
    const { factor } = this;
    const solution = new Float64Array(FEATURES);
    for (let row = 0, at = 0; row < FEATURES; row++, at++) {
      let sum = right[row];
      for (let k = 0; k < row; k++, at++) sum -= factor[at] * solution[k];
      solution[row] = sum / factor[at];
    }
    return solution;
  }
}

function isNumbers(value: unknown, length: number): value is number[] {
  return Array.isArray(value) && value.length === length && value.every((each) => typeof each === 'number' && Number.isFinite(each));
}

function round(value: number): number {
  return Number(value.toPrecision(DIGITS));
}
