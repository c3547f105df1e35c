import { imageDimensions } from './image-dimensions.js';
import { ASSUMED_RULE, isFixed, type ImageDetail, type ImageRule } from './image-rules.js';

/** Tokens of an image, and whether its size or its rule had to be assumed. */
export interface ImageTokens {
  readonly tokens: number;
  readonly assumed: boolean;
}

/**
 * Counts an image by the rule of its model. One of unknown size counts as the most that an image
 * costs.
 *
 * @param source A `data:` URL, bare base64 or a remote URL. Remote images are not fetched: their
 * size is unknown.
 */
export function imageTokens(rule: ImageRule, source: string | undefined, detail: ImageDetail = 'auto'): ImageTokens {
  const assumed = rule === ASSUMED_RULE;
  if (isFixed(rule, detail)) return { tokens: rule.most(detail), assumed };
  const size = source === undefined ? null : imageDimensions(source);
  return size === null ? { tokens: rule.most(detail), assumed: true } : { tokens: rule.tokens(size, detail), assumed };
}
