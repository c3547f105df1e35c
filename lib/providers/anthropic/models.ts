/** Capabilities of an Anthropic model. */
export interface ModelTraits {
  /** Most tokens of an answer. */
  readonly maxOutput: number;
  /** Whether it takes `thinking` of type `adaptive`. */
  readonly adaptive: boolean;
  /** Whether it takes `thinking` of type `enabled`, with a budget of tokens. */
  readonly budget: boolean;
  /** Whether it thinks without being asked; `always`: it refuses `disabled`. */
  readonly unasked: 'no' | 'yes' | 'always';
  /** Whether it takes the effort `xhigh`. */
  readonly xhigh: boolean;
  /** Whether it takes `temperature`, `top_p` and `top_k`. */
  readonly sampling: boolean;
  /** Whether it takes a schema for its answer, in `output_config.format`. */
  readonly structured: boolean;
  /** Whether a `tool_choice` may force a call. */
  readonly forcedTools: boolean;
  /** Whether system messages may stand between others. */
  readonly midSystem: boolean;
}

const CLAUDE_3: ModelTraits = {
  maxOutput: 4096,
  adaptive: false,
  budget: false,
  unasked: 'no',
  xhigh: false,
  sampling: true,
  structured: false,
  forcedTools: true,
  midSystem: false,
};
const CLAUDE_3_5: ModelTraits = { ...CLAUDE_3, maxOutput: 8192 };
const CLAUDE_3_7: ModelTraits = { ...CLAUDE_3, maxOutput: 64_000, budget: true };
const CLAUDE_4_5: ModelTraits = { ...CLAUDE_3_7, structured: true };
const CLAUDE_4_6: ModelTraits = { ...CLAUDE_4_5, maxOutput: 128_000, adaptive: true };
const CLAUDE_4_7: ModelTraits = { ...CLAUDE_4_6, budget: false, sampling: false, xhigh: true };
const CLAUDE_4_8: ModelTraits = { ...CLAUDE_4_7, midSystem: true };
const CLAUDE_5: ModelTraits = { ...CLAUDE_4_8, unasked: 'yes' };
const THINKER: ModelTraits = { ...CLAUDE_5, unasked: 'always' };

/** Families, and the version from which the traits hold; the first row that fits decides. */
const TRAITS: readonly (readonly [families: RegExp, from: number, traits: ModelTraits])[] = [
  [/^(?:fable|mythos)$/, 5.1, { ...THINKER, forcedTools: false }],
  [/^(?:fable|mythos)$/, 5, THINKER],
  [/^(?:fable|mythos)$/, 0, { ...THINKER, midSystem: false }],
  [/^(?:opus|sonnet)$/, 5.5, { ...THINKER, forcedTools: false }],
  [/^/, 5, CLAUDE_5],
  [/^/, 4.8, CLAUDE_4_8],
  [/^/, 4.7, CLAUDE_4_7],
  [/^/, 4.6, CLAUDE_4_6],
  [/^/, 4.5, CLAUDE_4_5],
  [/^opus$/, 4, { ...CLAUDE_3_7, maxOutput: 32_000 }],
  [/^/, 3.7, CLAUDE_3_7],
  [/^/, 3.5, CLAUDE_3_5],
  [/^/, 0, CLAUDE_3],
];

/**
 * Other vendors' models with this protocol (MiniMax, Kimi), and deployments with custom names: only
 * what all of them take.
 */
const UNKNOWN: ModelTraits = { ...CLAUDE_3_7, maxOutput: 8192 };

/** `claude-opus-4-5-20251101`, `claude-3-5-sonnet@20241022`, `us.anthropic.claude-opus-4-6-v1`. */
const CLAUDE = /claude-(?:([a-z]+)-)?(\d)(?:[-.](\d)(?!\d))?(?:-([a-z]+))?/;
const UNNUMBERED = /claude-(fable|mythos)/;

let lastModel = '';
let lastTraits = UNKNOWN;

/** @param model as any host of Anthropic's models names it */
export function traitsOf(model: string): ModelTraits {
  if (model === lastModel) return lastTraits;
  lastTraits = traitsOfName(model.toLowerCase());
  lastModel = model;
  return lastTraits;
}

function traitsOfName(name: string): ModelTraits {
  const [, before, major, minor = '0', behind] = CLAUDE.exec(name) ?? [];
  const family = before ?? behind ?? UNNUMBERED.exec(name)?.[1];
  if (major === undefined && family === undefined) return UNKNOWN;
  const version = Number(`${major ?? 0}.${minor}`);
  return TRAITS.find(([families, from]) => version >= from && families.test(family ?? ''))?.[2] ?? UNKNOWN;
}
