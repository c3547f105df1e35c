import { samplesOf, type MetricSample } from '../../common/capability.js';
import { CONTENT_CLASSES, type ContentClass } from './content-class.js';
import {
  Correction,
  publishedFactors,
  type CountedPrompt,
  type EstimateFactors,
  type KeptCorrection,
  type SharedCorrection,
} from './correction.js';
import { publishedRatio } from './published-ratios.js';

/** Models whose corrections are kept; of more, those that were not used for longest are dropped. */
const MOST_MODELS = 256;
const MOST_UNKNOWN = 64;
/** The envelope of shorter prompts says nothing about their texts. */
const LEAST_TOKENS = 16;

/** A prompt as it was counted locally. */
export interface PromptMeasurement extends CountedPrompt {
  readonly model: string;
  readonly contentClass: ContentClass;
}

/** One of something for each class of content that was seen. */
export type ByClass<T> = Readonly<Partial<Record<ContentClass, T>>>;

/** How far the estimates of a model are off. */
export interface EstimateSummary {
  /** Reports of this process. */
  readonly answers: number;
  /** Mean distance of the last reports from their estimates, as a share. */
  readonly meanError: number;
  /** Mean factor of bounds on their estimates. */
  readonly bound: number;
}

type Corrections = Map<ContentClass, Correction>;

/**
 * Corrects the counts of models without a public tokenizer by the usage that providers report.
 * Starts with published ratios; each report corrects that of its model and class of content.
 */
export class TokenEstimates {
  /** Whether something has changed since it was last written. */
  isDirty = false;
  /** Hears of each model that is estimated without reports. */
  onUnknownModel: (() => void) | undefined = undefined;
  private readonly models = new Map<string, Corrections>();
  /** Models that were estimated without reports: their names come from clients. */
  private readonly unknown = new Set<string>();
  private readonly unshared = new Set<string>();
  private observations = 0;

  /** The factors of a prompt. */
  factors({ model, contentClass, ...prompt }: PromptMeasurement): EstimateFactors {
    const known = this.models.get(model);
    if (known === undefined) this.noteUnknown(model);
    return known?.get(contentClass)?.factors(prompt) ?? publishedFactors(publishedRatio(model, contentClass));
  }

  /** A provider has reported the prompt tokens of a request. */
  observe({ model, contentClass, ...prompt }: PromptMeasurement, reported: number): void {
    if (prompt.tokens < LEAST_TOKENS || !(reported > 0)) return;
    this.correctionOf(model, contentClass).observe(prompt, reported);
    this.observations++;
    this.isDirty = true;
    this.unshared.add(model);
  }

  /** The corrections, to be restored after a restart. */
  keep(): Readonly<Record<string, ByClass<KeptCorrection>>> {
    const learned = [...this.models].map(([model, classes]) => [model, byClass(classes, (correction) => correction.keep())] as const);
    return Object.fromEntries(learned.filter(([, classes]) => Object.keys(classes).length > 0));
  }

  /** Restores saved corrections; ignores invalid ones. */
  restore(kept: Readonly<Record<string, unknown>>): void {
    for (const [model, classes] of Object.entries(kept))
      for (const [name, each] of entriesOf(classes)) this.correctionOf(model, name).restore(each);
  }

  /** Models that are estimated, those without reports too. */
  names(): string[] {
    return [...this.models.keys(), ...this.unknown];
  }

  /** Takes the estimates learned for each model since the last call, for other processes. */
  takeUnshared(): [model: string, ByClass<SharedCorrection>][] {
    const models = [...this.unshared];
    this.unshared.clear();
    return models.flatMap((model): [string, ByClass<SharedCorrection>][] => {
      const known = this.models.get(model);
      return known === undefined ? [] : [[model, byClass(known, (correction) => correction.share())]];
    });
  }

  /** Takes it back: the others did not get it. */
  untake(models: readonly string[]): void {
    for (const model of models) this.unshared.add(model);
  }

  /** Applies other processes' corrections for a model; ignores invalid ones. */
  learnFrom(model: string, others: readonly unknown[]): void {
    const shared = new Map<ContentClass, unknown[]>();
    for (const other of others) for (const [name, each] of entriesOf(other)) shared.set(name, [...(shared.get(name) ?? []), each]);
    for (const name of CONTENT_CLASSES) {
      const known = this.models.get(model)?.get(name);
      const each = shared.get(name) ?? [];
      if (known !== undefined || each.length > 0) (known ?? this.correctionOf(model, name)).learnFrom(each);
    }
  }

  /** How far the estimates of a model are off; `undefined` without reports. */
  summaryOf(model: string): EstimateSummary | undefined {
    const corrections = [...(this.models.get(model)?.values() ?? [])];
    const answers = corrections.reduce((sum, { reports }) => sum + reports, 0);
    if (answers === 0) return undefined;
    const mean = (of: (correction: Correction) => number): number =>
      corrections.reduce((sum, correction) => sum + of(correction) * correction.reports, 0) / answers;
    return { answers, meanError: mean(({ meanError }) => meanError), bound: mean(({ meanBound }) => meanBound) };
  }

  metrics(): MetricSample[] {
    const sample = samplesOf('token_estimates');
    const samples = [sample('observations_total', 'Provider reports that corrected estimates.', 'counter', this.observations)];
    for (const [model, classes] of this.models) {
      for (const [name, correction] of classes) {
        if (correction.reports === 0) continue;
        const labels = { model, content: name };
        const gauge = (metric: string, help: string, value: number): MetricSample => ({
          ...sample(metric, help, 'gauge', value, labels),
          addsUp: false,
        });
        samples.push(gauge('ratio', 'Reported tokens per locally counted token.', correction.ratio));
        samples.push(gauge('error_ratio', 'Mean deviation of the last 100 reports from their estimates.', correction.meanError));
        samples.push(
          gauge('bound_ratio', 'Mean ratio of upper bounds, which 95 of 100 reports stay below, to estimates.', correction.meanBound),
        );
      }
    }
    return samples;
  }

  private noteUnknown(model: string): void {
    if (this.unknown.has(model)) return;
    this.unknown.add(model);
    if (this.unknown.size > MOST_UNKNOWN) this.unknown.delete(this.unknown.values().next().value as string);
    this.onUnknownModel?.();
  }

  private correctionOf(model: string, contentClass: ContentClass): Correction {
    const classes = this.models.get(model) ?? new Map<ContentClass, Correction>();
    // The last one is the one that was used last.
    this.models.delete(model);
    this.models.set(model, classes);
    this.unknown.delete(model);
    if (this.models.size > MOST_MODELS) this.models.delete(this.models.keys().next().value as string);
    const known = classes.get(contentClass);
    if (known !== undefined) return known;
    const correction = new Correction(publishedRatio(model, contentClass));
    classes.set(contentClass, correction);
    return correction;
  }
}

function byClass<T>(classes: Corrections, of: (correction: Correction) => T): ByClass<T> {
  return Object.fromEntries([...classes].filter(([, { reports }]) => reports > 0).map(([name, correction]) => [name, of(correction)]));
}

/** The entries of what should be an object by class. */
function entriesOf(value: unknown): [ContentClass, unknown][] {
  if (typeof value !== 'object' || value === null) return [];
  return CONTENT_CLASSES.flatMap((name): [ContentClass, unknown][] =>
    Object.hasOwn(value, name) ? [[name, (value as Record<string, unknown>)[name]]] : [],
  );
}
