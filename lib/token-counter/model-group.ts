import { bareName } from './bare-name.js';
import { CountingModel } from './counting-model.js';
import { publishedRatio, publishedRatios } from './estimates/published-ratios.js';
import type { ModelRoute } from './model-routes.js';
import type { PackedTokenizer } from './tokenizers/packed-layout.js';

/** Inputs of a route's model. */
interface RouteContext {
  /** The group's own. */
  readonly tokenizer: PackedTokenizer | undefined;
  readonly open: (name: string) => CountingModel;
}

/**
 * The model by which the prompts for a name are counted. A deployment counts by the first of its
 * models that is known, or as the name says. Of deployments with different tokenizers the one that
 * makes most tokens counts, as an estimate; images count by the rule that takes most.
 */
export function modelOfRoute(asked: string, { deployments }: ModelRoute, { tokenizer, open }: RouteContext): CountingModel {
  const named = new Map(deployments.map(({ models }) => [models.join('\n'), models]));
  const each = Array.from(named.values(), (models) => models.map(open).find(({ isKnown }) => isKnown) ?? open(asked));
  const largest = each.reduce((most, model) => (weightOf(model) > weightOf(most) ? model : most));
  const media = each.map(({ facts }) => facts.media).reduce((most, rules) => (mostOf(rules) > mostOf(most) ? rules : most));
  const facts = { ...largest.facts, media };
  if (tokenizer !== undefined) return new CountingModel(asked, { tokenizer, facts });
  const isMixed = each.some((model) => tokenizerOf(model) !== tokenizerOf(largest));
  const own = typeof largest.encoding === 'string' ? undefined : largest.encoding;
  return new CountingModel(largest.name, { tokenizer: own, facts, isMixed });
}

/** Returns the same value for models that are known to use the same tokenizer. */
function tokenizerOf({ name, encoding, facts }: CountingModel): unknown {
  if (!facts.approximate) return encoding;
  return facts.family?.name ?? publishedRatios(name) ?? bareName(name.toLowerCase());
}

/**
 * About how many tokens a model makes of a text. Among equal ones an estimate comes first, because
 * it has a bound, and o200k_base last, because it makes fewer tokens of most languages.
 */
function weightOf({ name, encodingName, facts }: CountingModel): number {
  const preference = facts.approximate ? 0.002 : encodingName.startsWith('o200k') ? 0 : 0.001;
  return publishedRatio(name, 'text') + preference;
}

function mostOf({ images }: CountingModel['facts']['media']): number {
  return images.most('auto');
}
