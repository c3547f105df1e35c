/** Differences between generations of Gemini, which can be distinguished only by name. */
export interface GeminiModel {
  /** From Gemini 3 on: ids of calls, required signatures, media in results of functions. */
  readonly isThree: boolean;
  /** How its thinking is set. */
  readonly thinking: 'level' | 'budget' | 'none';
  /** Whether it takes JSON schemas as they are. */
  readonly takesJsonSchema: boolean;
  /** Whether Google fetches `https:` media for it. */
  readonly fetchesMedia: boolean;
  /** The smallest thinking budget (LiteLLM's), where there are budgets. */
  readonly leastBudget: number;
  /** Whether thinking has the level `minimal`. */
  readonly hasMinimal: boolean;
}

/** LiteLLM's rule: models that are not older count as Gemini 3 or newer. */
const BEFORE_THREE = /^gemini-(?:[12](?:\.\d+)?|exp|(?:pro|flash)(?!-(?:lite-)?latest$))(?:-|$)/;
const TWO_FIVE = /^gemini-2\.5-/;
const FROM_TWO = /^gemini-2(?:\.\d+)?-/;
const LEAST_BUDGETS: readonly (readonly [string, number])[] = [
  ['flash-lite', 512],
  ['pro', 128],
  ['flash', 1],
];
const USUAL_LEAST = 128;

/** Reads the generation from a model's name: `gemini-2.5-flash`, `models/gemini-3-pro-preview`. */
export function geminiModel(model: string): GeminiModel {
  const name = model.slice(model.lastIndexOf('/') + 1).toLowerCase();
  const isThree = name.startsWith('gemini-') && !BEFORE_THREE.test(name);
  const hasBudget = TWO_FIVE.test(name);
  return {
    isThree,
    thinking: isThree ? 'level' : hasBudget ? 'budget' : 'none',
    takesJsonSchema: isThree || FROM_TWO.test(name),
    fetchesMedia: isThree || hasBudget,
    leastBudget: LEAST_BUDGETS.find(([part]) => name.includes(part))?.[1] ?? USUAL_LEAST,
    hasMinimal: isThree && name.includes('flash'),
  };
}
