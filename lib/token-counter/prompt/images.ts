import { imageDimensions, type ImageDimensions } from './image-dimensions.js';

const OPENAI_BASE = 85;
const OPENAI_TILE = 170;
const ANTHROPIC_LONG_SIDE = 1568;
const ANTHROPIC_PIXELS_PER_TOKEN = 750;

/** OpenAI image of unknown size: counted as 1024 x 1024 at high detail. */
export const UNKNOWN_OPENAI_IMAGE_TOKENS = 765;

/** Most that an Anthropic image costs; also used for unknown sizes. */
export const MAX_ANTHROPIC_IMAGE_TOKENS = 1600;

/** Tokens of an image, and whether its size had to be assumed. */
export interface ImageTokens {
  readonly tokens: number;
  readonly assumed: boolean;
}

/**
 * Counts an image by its provider's published rule.
 *
 * OpenAI: 85 tokens at `low` detail. Otherwise the image is scaled down to fit 2048 x 2048, then
 * its short side to 768, and costs 85 + 170 for each 512-px tile. `auto` and no detail count as
 * `high`, so that a budget is not exceeded (LiteLLM uses 85). All OpenAI models use gpt-4o's
 * published rule.
 *
 * Anthropic: width * height / 750 after scaling to 1568 px, at most 1,600; it has no detail levels.
 *
 * @param source A `data:` URL, bare base64 or a remote URL. Remote images are not fetched: their
 * size is unknown.
 */
export function imageTokens(
  rule: 'openai' | 'anthropic',
  source: string | undefined,
  detail: 'low' | 'high' | 'auto' = 'auto',
): ImageTokens {
  if (rule === 'openai' && detail === 'low') return { tokens: OPENAI_BASE, assumed: false };
  const size = source === undefined ? null : imageDimensions(source);
  if (size === null) return { tokens: rule === 'openai' ? UNKNOWN_OPENAI_IMAGE_TOKENS : MAX_ANTHROPIC_IMAGE_TOKENS, assumed: true };
  return { tokens: rule === 'openai' ? openaiHighDetailTokens(size) : anthropicTokens(size), assumed: false };
}

function openaiHighDetailTokens({ width, height }: ImageDimensions): number {
  const fit = Math.min(1, 2048 / Math.max(width, height));
  const shrink = Math.min(1, 768 / (Math.min(width, height) * fit));
  return OPENAI_BASE + OPENAI_TILE * tiles(width * fit * shrink) * tiles(height * fit * shrink);
}

function tiles(side: number): number {
  // Rounded to whole pixels first: 1536.0000000000002 px are three tiles, not four.
  return Math.max(1, Math.ceil(Math.round(side) / 512));
}

function anthropicTokens({ width, height }: ImageDimensions): number {
  const fit = Math.min(1, ANTHROPIC_LONG_SIDE / Math.max(width, height));
  return Math.min(MAX_ANTHROPIC_IMAGE_TOKENS, Math.max(1, Math.ceil((width * fit * height * fit) / ANTHROPIC_PIXELS_PER_TOKEN)));
}
