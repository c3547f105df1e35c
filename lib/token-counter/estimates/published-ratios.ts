import type { ContentClass } from './content-class.js';

type Ratios = Readonly<Record<ContentClass, number>>;

const SAME: Ratios = { text: 1, latin: 1, code: 1, cjk: 1, cyrillic: 1, semitic: 1, other: 1 };

// Tokens for one of cl100k_base: of open tokenizers measured on prose, German, code, Chinese,
// Russian and Arabic. Claude by what its users and Anthropic publish relative to o200k_base.
const PUBLISHED: readonly (readonly [RegExp, Ratios])[] = [
  [
    /claude-(?:[a-z]+-)?(?:[5-9]|4[-.][7-9](?:\D|$))/,
    { text: 1.53, latin: 1.24, code: 1.53, cjk: 0.71, cyrillic: 0.6, semitic: 0.54, other: 1 },
  ],
  [/claude/, { text: 1.18, latin: 0.96, code: 1.18, cjk: 0.71, cyrillic: 0.6, semitic: 0.54, other: 1 }],
  [/gemini|gemma/, { text: 1.13, latin: 0.81, code: 1.14, cjk: 0.5, cyrillic: 0.55, semitic: 0.49, other: 0.6 }],
  [/llama-?v?[34]/, { text: 1, latin: 1, code: 1, cjk: 0.66, cyrillic: 0.67, semitic: 0.55, other: 0.8 }],
  [/qwen|qwq/, { text: 1.02, latin: 1, code: 1.01, cjk: 0.5, cyrillic: 0.72, semitic: 0.6, other: 0.8 }],
  [/deepseek/, { text: 1.05, latin: 0.97, code: 1.05, cjk: 0.44, cyrillic: 0.69, semitic: 0.52, other: 0.8 }],
  [
    /mistral|nemo|pixtral|magistral|devstral/,
    { text: 1.06, latin: 0.86, code: 1.06, cjk: 0.83, cyrillic: 0.71, semitic: 0.44, other: 0.8 },
  ],
];

/** The published ratios of a model; models of one row share them. `undefined`: none are known. */
export function publishedRatios(model: string): Ratios | undefined {
  const name = model.toLowerCase();
  return PUBLISHED.find(([pattern]) => pattern.test(name))?.[1];
}

/** The first ratio of a model for texts that are counted with cl100k_base. */
export function publishedRatio(model: string, contentClass: ContentClass): number {
  return (publishedRatios(model) ?? SAME)[contentClass];
}
