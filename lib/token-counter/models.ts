import { bareName } from './bare-name.js';
import { ENCODING_NAMES, type EncodingName } from './engine/engine.js';
import { familyOfModel, type ChatOverhead, type Family } from './families.js';
import { mediaRulesOf, type MediaRules } from './prompt/media-rules.js';

/** Encoding and counting rules of a model. */
export interface ModelFacts {
  readonly encoding: EncodingName;
  /** The tokenizer is unknown or not loaded: counts are an estimate, made with cl100k_base. */
  readonly approximate: boolean;
  /** The open tokenizer that the model has. */
  readonly family?: Family;
  /** Instead of OpenAI's tokens per message and name: with the family's own tokenizer. */
  readonly chat?: ChatOverhead;
  /** Texts are exact, but the overhead of its template is not: OpenAI's rule is used. */
  readonly isChatAssumed: boolean;
  /** Tokens per chat message and per `name`. Source: OpenAI's cookbook on tiktoken. */
  readonly tokensPerMessage: number;
  readonly tokensPerName: number;
  /** How images, audio, videos and documents count. */
  readonly media: MediaRules;
}

/** No model has a longer name. Keeps hostile names cheap and out of caches. */
export const MAX_MODEL_NAME_LENGTH = 256;

// The first match wins. Sources: tiktoken's model table and prefixes, gpt-tokenizer's models, and
// OpenAI's model pages: models derived from GPT-4o, and all later models, use o200k_base.
const FAMILIES: readonly (readonly [RegExp, EncodingName])[] = [
  [/^gpt-oss(?![a-z0-9])/, 'o200k_harmony'],
  [/^(?:o[1-9]|gpt-4o|gpt-4\.[1-9]|gpt-[5-9](?:\.\d+)?|chatgpt-(?:4o|image))(?![a-z0-9.])/, 'o200k_base'],
  [/^gpt-(?:realtime|audio|image|live|transcribe|(?:chat-|mini-)?latest)(?![a-z0-9.])/, 'o200k_base'],
  [/^(?:codex-mini|computer-use|omni-moderation|chat-latest|daybreak-(?:blue|red))(?![a-z0-9.])/, 'o200k_base'],
  [/^(?:gpt-4|gpt-3\.5|gpt-35|text-embedding-3|text-embedding-ada-002|davinci-002|babbage-002)(?![a-z0-9.])/, 'cl100k_base'],
  [/^(?:text|code)-davinci-edit-001$/, 'p50k_edit'],
  [/^(?:text-davinci-00[23]|code-(?:davinci|cushman)-00[12]|(?:davinci|cushman)-codex)$/, 'p50k_base'],
  [/^(?:text-(?:davinci|curie|babbage|ada)-001|davinci|curie|babbage|ada)$/, 'r50k_base'],
  [/^(?:text-similarity|text-search|code-search)-(?:davinci|curie|babbage|ada)(?:-doc|-query|-code|-text)?-001$/, 'r50k_base'],
  [/^gpt-?2$/, 'gpt2'],
];

/**
 * Finds the encoding and the counting rules of a model.
 *
 * Understands provider prefixes (`azure/gpt-4o`, `openrouter/openai/gpt-4o`, Bedrock's
 * `openai.gpt-oss-20b-1:0`), fine-tunes (`ft:gpt-4o-2024-08-06:org::id`, `davinci:ft-org`), dated
 * and other suffixes, any case, and names of encodings. Unknown names use cl100k_base with
 * `approximate: true`. Never throws.
 */
export function modelFacts(model: string): ModelFacts {
  if (model.length > MAX_MODEL_NAME_LENGTH) return facts('cl100k_base', true, '');
  const name = bareName(model.toLowerCase());
  const own = ENCODING_NAMES.find((encoding) => encoding === name);
  if (own !== undefined) return facts(own, false, name);
  const encoding = FAMILIES.find(([pattern]) => pattern.test(name))?.[1];
  if (encoding !== undefined) return facts(encoding, false, name);
  const family = familyOfModel(model.toLowerCase());
  return facts(family?.encoding ?? 'cl100k_base', family?.encoding === undefined, name, family);
}

function facts(encoding: EncodingName, approximate: boolean, name: string, family?: Family): ModelFacts {
  // The only snapshot with other tokens per message.
  const legacy = name === 'gpt-3.5-turbo-0301' || name === 'gpt-35-turbo-0301';
  return {
    encoding,
    approximate,
    isChatAssumed: !approximate && family !== undefined,
    tokensPerMessage: legacy ? 4 : 3,
    tokensPerName: legacy ? -1 : 1,
    media: mediaRulesOf(name),
    family,
  };
}
