import { Evidence, Fit, type KeptEvidence } from './evidence.js';

const WINDOW = 100;
/** With fewer reports the bound is that of `FIRST_BOUND`. */
const LEAST_REPORTS = 20;
const FIRST_BOUND = 1.25;
/** Of the last 100 reports, so that 95 of 100 later ones stay below. */
const QUANTILE = 0.96;
const NORMAL_QUANTILE = 1.75;
/** No tokenizer differs more: such a report is of another prompt. */
const MOST_RATIO = 5;
const FIRST_VARIANCE = 0.003;
const LEAST_VARIANCE = 1e-6;
const MOST_VARIANCE = 0.1;
/** Short prompts scatter more: those of so many tokens twice as much, as variance. */
const SCATTER_TOKENS = 200;
/** Standard deviations from which on a report counts less, and is a surprise. */
const SURPRISE = 3;
/** So many surprises in a row, all to one side: the model has another tokenizer now. */
const MOST_SURPRISES = 6;
/**
 * Reports of other processes count as at most this many, and not at all with this many of our own.
 */
const MOST_FOREIGN_REPORTS = 100;
const OWN_REPORTS_ENOUGH = 200;
/** From so many own reports on, others that differ by more than this share are omitted. */
const REPORTS_TO_JUDGE = 10;
const MOST_DISAGREEMENT = 0.25;
/** After this share of more reports, of at most `WINDOW`, the weights are computed again. */
const NEWS = 1 / 16;

/** A prompt whose tokens were counted locally. */
export interface CountedPrompt {
  readonly tokens: number;
  readonly features: Float64Array;
}

/** Provider tokens per local token. */
export interface EstimateFactors {
  /** Expected tokens of the provider for a local one. */
  readonly expected: number;
  /** Tokens that 95 of 100 prompts stay below. */
  readonly bound: number;
}

/** The factors before the first report. */
export function publishedFactors(published: number): EstimateFactors {
  return { expected: published, bound: published * FIRST_BOUND };
}

/** Estimates that a process shares with others. */
export interface SharedCorrection {
  /** Correction derived from the evidence. */
  readonly published: number;
  readonly evidence: KeptEvidence;
  readonly variance: number;
}

/** A correction as it is kept in a file. */
export interface KeptCorrection extends SharedCorrection {
  readonly meanError: number;
  readonly meanBound: number;
  /** Deviations of the last reports, in standard deviations. */
  readonly deviations: readonly number[];
}

/** Estimate from the reports so far. */
interface Known {
  readonly fit: Fit;
  /** With those of others. */
  readonly reports: number;
  readonly variance: number;
  readonly quantile: number;
  /** Own reports from which on it is computed again. */
  readonly until: number;
}

/** Validated estimates of other processes. */
interface Foreign {
  readonly evidence: Evidence;
  readonly variance: number;
}

/**
 * How the tokens of a model and a class of content relate to those that are counted locally: the
 * ratio is published, and corrected by weights of the features of the prompt, a robust and
 * recursive least squares over what providers report.
 */
export class Correction {
  /** Mean distance of the last reports from their estimates, as a share. */
  meanError = 0;
  /** Mean factor of the last bounds on their estimates. */
  meanBound = FIRST_BOUND;
  private own = new Evidence();
  private others: readonly Foreign[] = [];
  /** Of the ratio of a long prompt around its estimate. */
  private variance = FIRST_VARIANCE;
  private deviations: number[] = [];
  private next = 0;
  private surprises = 0;
  private known: Known | undefined = undefined;

  constructor(private readonly published: number) {}

  /** Reported tokens for one that is counted locally, of the last reports. */
  get ratio(): number {
    return this.published + this.own.mean;
  }

  /** Reports that were seen by this process. */
  get reports(): number {
    return this.own.reports;
  }

  factors(prompt: CountedPrompt): EstimateFactors {
    const { expected, bound } = this.predict(prompt);
    return { expected, bound };
  }

  /** A provider has reported the tokens of a prompt. */
  observe(prompt: CountedPrompt, reported: number): void {
    const ratio = reported / prompt.tokens;
    if (!(ratio >= 1 / MOST_RATIO && ratio <= MOST_RATIO)) return;
    const { expected, bound, deviation, scatter } = this.predict(prompt);
    const error = ratio - expected;
    const surprise = error / deviation;
    this.remember(surprise);
    const noise = noiseOf(prompt);
    this.own.add(prompt.features, ratio - this.published, Math.min(1, SURPRISE / Math.abs(surprise)) / noise);
    const step = Math.max(0.01, 1 / (this.reports + SURPRISE ** 2));
    this.variance = clampVariance(
      this.variance + step * (Math.min((error * error) / scatter, SURPRISE ** 2 * this.variance) - this.variance),
    );
    const { reports } = this.own;
    const share = Math.max(1 / WINDOW, 1 / reports);
    this.meanError += share * (Math.abs(error / expected) - this.meanError);
    this.meanBound += share * (bound / expected - this.meanBound);
    if (this.known !== undefined && reports >= this.known.until) this.known = undefined;
    this.noteSurprise(surprise);
  }

  /** For other processes: own reports alone, so that nothing comes back as news. */
  share(): SharedCorrection {
    return { published: this.published, evidence: this.own.keep(), variance: round(this.variance) };
  }

  /** Applies corrections of other processes; ignores invalid ones. */
  learnFrom(shared: readonly unknown[]): void {
    this.others = shared.flatMap((each) => readShared(each, this.published) ?? []);
    this.known = undefined;
  }

  keep(): KeptCorrection {
    const ordered = [...this.deviations.slice(this.next), ...this.deviations.slice(0, this.next)];
    const { meanError, meanBound } = this;
    return { ...this.share(), meanError: round(meanError), meanBound: round(meanBound), deviations: ordered.map(round) };
  }

  /** Restores saved corrections; ignores invalid ones. */
  restore(kept: unknown): void {
    const shared = readShared(kept, this.published);
    if (shared === undefined) return;
    const { meanError, meanBound, deviations } = kept as Partial<Record<keyof KeptCorrection, unknown>>;
    if (!isAmount(meanError) || !isAmount(meanBound) || !Array.isArray(deviations) || !deviations.every(Number.isFinite)) return;
    this.own = shared.evidence;
    this.variance = shared.variance;
    this.meanError = meanError;
    this.meanBound = meanBound;
    this.forgetDeviations();
    for (const deviation of (deviations as number[]).slice(-WINDOW)) this.remember(deviation);
    this.known = undefined;
  }

  private predict(prompt: CountedPrompt) {
    const { fit, reports, variance, quantile } = (this.known ??= this.learned());
    const ratio = this.published + fit.predict(prompt.features);
    const scatter = noiseOf(prompt) + fit.variance(prompt.features);
    const expected = Math.min(MOST_RATIO, Math.max(1 / MOST_RATIO, ratio));
    const deviation = Math.sqrt(variance * scatter);
    const bound = reports < LEAST_REPORTS ? expected * FIRST_BOUND : expected + Math.max(0, quantile * deviation);
    return { expected, bound, deviation, scatter };
  }

  /** Own reports, and those of others until there are enough own ones. */
  private learned(): Known {
    const all = new Evidence();
    all.addPart(this.own, 1);
    const believed = this.believed();
    const foreign = believed.reduce((sum, { evidence }) => sum + evidence.reports, 0);
    const left = Math.max(0, 1 - this.reports / OWN_REPORTS_ENOUGH);
    const part = foreign === 0 ? 0 : left * Math.min(1, MOST_FOREIGN_REPORTS / foreign);
    for (const { evidence } of believed) all.addPart(evidence, part);
    const fit = new Fit(all);
    const isYoung = this.reports < LEAST_REPORTS && believed.length > 0;
    return {
      // Equations with forged figures may have no solution.
      fit: fit.isSolved ? fit : new Fit(new Evidence()),
      reports: all.reports,
      variance: isYoung ? median(believed.map(({ variance }) => variance)) : this.variance,
      quantile: this.quantile(),
      until: this.reports + Math.max(1, NEWS * Math.min(WINDOW, this.reports)),
    };
  }

  /** Others that agree with own reports or, before there are some, with most others. */
  private believed(): readonly Foreign[] {
    if (this.others.length === 0) return this.others;
    const means = this.others.map(({ evidence }) => evidence.mean);
    const middle = this.published + (this.reports >= REPORTS_TO_JUDGE ? this.own.mean : median(means));
    return this.others.filter((_, at) => Math.abs(this.published + means[at] - middle) <= MOST_DISAGREEMENT * middle);
  }

  private noteSurprise(surprise: number): void {
    if (this.reports < LEAST_REPORTS || Math.abs(surprise) < SURPRISE) this.surprises = 0;
    else this.surprises = Math.sign(surprise) === Math.sign(this.surprises) ? this.surprises + Math.sign(surprise) : Math.sign(surprise);
    if (Math.abs(this.surprises) < MOST_SURPRISES) return;
    this.own = new Evidence();
    this.variance = FIRST_VARIANCE;
    this.surprises = 0;
    this.known = undefined;
    this.forgetDeviations();
  }

  private quantile(): number {
    if (this.deviations.length < LEAST_REPORTS) return NORMAL_QUANTILE;
    const sorted = Float64Array.from(this.deviations).sort();
    return sorted[Math.min(sorted.length, Math.ceil(QUANTILE * (sorted.length + 1))) - 1];
  }

  private remember(deviation: number): void {
    this.deviations[this.next] = deviation;
    this.next = (this.next + 1) % WINDOW;
  }

  private forgetDeviations(): void {
    this.deviations = [];
    this.next = 0;
  }
}

/** Variance of a prompt's ratio, of one for a long prompt. */
function noiseOf({ tokens }: CountedPrompt): number {
  return 1 + SCATTER_TOKENS / tokens;
}

/**
 * Parses shared estimates; `undefined` if invalid, or from a version with different published
 * ratios.
 */
function readShared(value: unknown, ownPublished: number): Foreign | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { published, evidence: kept, variance } = value as Partial<Record<keyof SharedCorrection, unknown>>;
  if (published !== ownPublished) return undefined;
  const evidence = Evidence.read(kept);
  return evidence === undefined || !isAmount(variance) ? undefined : { evidence, variance: clampVariance(variance) };
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function clampVariance(variance: number): number {
  return Math.min(MOST_VARIANCE, Math.max(LEAST_VARIANCE, variance));
}

/** The lower one of two. */
function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}
