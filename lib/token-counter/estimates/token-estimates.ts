import type { MetricSample } from '../../common/capability.js';
import { samplesOf } from '../../common/metric-samples.js';
import { CONTENT_CLASSES, type ContentClass } from './content-class.js';
import { Correction, keptCorrection, type KeptCorrection } from './correction.js';
import { publishedRatio } from './published-ratios.js';

/** Models whose corrections are kept; of more, those that were not used for longest are dropped. */
const MOST_MODELS = 256;
/** The envelope of shorter prompts says nothing about their texts. */
const LEAST_TOKENS = 16;

/** A prompt as it was counted locally. */
export interface PromptMeasurement {
  readonly model: string;
  /** Of the encoding that counted. */
  readonly encoding: string;
  readonly contentClass: ContentClass;
  readonly tokens: number;
}

/** What tokens of a provider a local count stands for. */
export interface EstimateFactors {
  /** Expected tokens of the provider for a local one. */
  readonly expected: number;
  /** Tokens that 95 of 100 prompts stay below. */
  readonly bound: number;
}

/** The corrections of all models, as they are kept in a file. */
export type KeptEstimates = Readonly<Record<string, Readonly<Partial<Record<ContentClass, KeptCorrection>>>>>;

/**
 * Corrects counts for models whose tokenizer is not public by what their providers report. Starts
 * with published ratios; each report moves the ratio of its model and class of content.
 */
export class TokenEstimates {
  private readonly models = new Map<string, Map<ContentClass, Correction>>();
  private observations = 0;
  /** Whether something has changed since the last `keep`. */
  isDirty = false;

  /** The factors of a prompt. Models without a report use what is published, and are not kept. */
  factors({ model, encoding, contentClass }: Omit<PromptMeasurement, 'tokens'>): EstimateFactors {
    const { ratio, bound } = this.models.get(model)?.get(contentClass) ?? new Correction(publishedRatio(model, encoding, contentClass));
    return { expected: ratio, bound: ratio * bound };
  }

  /** A provider has reported the prompt tokens of a request. */
  observe({ model, encoding, contentClass, tokens }: PromptMeasurement, reported: number): void {
    if (tokens < LEAST_TOKENS || !(reported > 0)) return;
    this.correctionOf(model, contentClass, encoding).observe(tokens, reported);
    this.observations++;
    this.isDirty = true;
  }

  /** The corrections, to be restored after a restart. */
  keep(): KeptEstimates {
    this.isDirty = false;
    const entries = [...this.models].map(([model, classes]) => {
      const kept = [...classes].map(([name, correction]): [ContentClass, KeptCorrection] => [name, correction.keep()]);
      return [model, Object.fromEntries(kept)] as const;
    });
    return Object.fromEntries(entries);
  }

  /** Takes corrections that were kept; ignores what is none. */
  restore(kept: Readonly<Record<string, unknown>>): void {
    for (const [model, classes] of Object.entries(kept)) {
      if (typeof classes !== 'object' || classes === null) continue;
      for (const name of CONTENT_CLASSES) {
        const correction = keptCorrection((classes as Readonly<Record<string, unknown>>)[name]);
        if (correction !== undefined) this.correctionOf(model, name, '').restore(correction);
      }
    }
  }

  metrics(): MetricSample[] {
    const sample = samplesOf('token_estimates');
    const samples = [sample('observations_total', 'Reports of providers that corrected estimates.', 'counter', this.observations)];
    for (const [model, classes] of this.models) {
      for (const [name, correction] of classes) {
        const labels = { model, content: name };
        const gauge = (metric: string, help: string, value: number): MetricSample => ({
          ...sample(metric, help, 'gauge', value, labels),
          addsUp: false,
        });
        samples.push(gauge('ratio', 'Reported tokens for one that is counted locally.', correction.ratio));
        samples.push(gauge('error_ratio', 'Mean distance of the last 200 reports from their estimates.', correction.meanError));
        samples.push(gauge('bound_ratio', 'Factor on the estimate that 95 of 100 reports stay below.', correction.bound));
      }
    }
    return samples;
  }

  private correctionOf(model: string, contentClass: ContentClass, encoding: string): Correction {
    const classes = this.models.get(model) ?? new Map<ContentClass, Correction>();
    // The last one is the one that was used last.
    this.models.delete(model);
    this.models.set(model, classes);
    if (this.models.size > MOST_MODELS) this.models.delete(this.models.keys().next().value as string);
    const known = classes.get(contentClass);
    if (known !== undefined) return known;
    const correction = new Correction(publishedRatio(model, encoding, contentClass));
    classes.set(contentClass, correction);
    return correction;
  }
}
