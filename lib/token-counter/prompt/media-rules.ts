import { GEMINI_FIXED, GEMINI_TILES, imageRuleOf, type ImageRule } from './image-rules.js';

/** How a model's provider counts media. */
export interface MediaRules {
  readonly images: ImageRule;
  readonly audioTokensPerSecond: number;
  readonly videoTokensPerSecond: number;
  /** Tokens of a page of a PDF: its text, and its picture where the model sees it. */
  readonly tokensPerPage: number;
}

// Gemini API, "Understand and count tokens" and "Media resolution": 32 for a second of audio, 258
// for a page or a frame, from Gemini 3 on 560 for a page and 70 for a frame, at one a second.
const GEMINI_AUDIO = 32;
const GEMINI_2 = { audioTokensPerSecond: GEMINI_AUDIO, videoTokensPerSecond: 258 + GEMINI_AUDIO, tokensPerPage: 258 };
const GEMINI_3 = { audioTokensPerSecond: GEMINI_AUDIO, videoTokensPerSecond: 70 + GEMINI_AUDIO, tokensPerPage: 560 };
/** OpenAI: one token for 100 ms of audio in the user's turn (Realtime guide, "audio tokens"). */
export const OPENAI_AUDIO_TOKENS_PER_SECOND = 10;
/** Gemini's rule: of the published ones it bills most. */
const VIDEO = GEMINI_2.videoTokensPerSecond;
/** The middle of what Anthropic publishes for the text of a page, 1,500 to 3,000. */
const TEXT_OF_PAGE = 2250;
/** US Letter at 144 dpi. */
const PAGE_SIZE = { width: 1224, height: 1584 };

/** Rules are few, and names of models are many. */
const byImageRule = new Map<ImageRule, MediaRules>();

/** The rules of a model, by its bare name in lower case. Unknown models: those of gpt-4o. */
export function mediaRulesOf(name: string): MediaRules {
  const images = imageRuleOf(name);
  let rules = byImageRule.get(images);
  if (rules === undefined) byImageRule.set(images, (rules = rulesWith(images)));
  return rules;
}

function rulesWith(images: ImageRule): MediaRules {
  if (images === GEMINI_TILES) return { images, ...GEMINI_2 };
  if (images === GEMINI_FIXED) return { images, ...GEMINI_3 };
  const tokensPerPage = TEXT_OF_PAGE + images.tokens(PAGE_SIZE, 'high');
  return { images, audioTokensPerSecond: OPENAI_AUDIO_TOKENS_PER_SECOND, videoTokensPerSecond: VIDEO, tokensPerPage };
}
