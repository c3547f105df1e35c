import { audioSeconds } from './audio.js';
import { pageCount } from './documents.js';
import type { ImageDetail } from './image-rules.js';
import { imageTokens } from './images.js';
import { textOf, TOKENS_PER_BYTE, type PromptContext } from './prompt-context.js';
import { videoSeconds } from './video.js';

/** Inline data of a prompt. */
export interface BinaryData {
  /** Base64 or a `data:` URL; `undefined` for what only the provider has. */
  readonly data: string | undefined;
  /** Of data that is no `data:` URL. */
  readonly mimeType?: unknown;
}

const DATA_URL = /^data:([^,;]*)/;
/** What stands before the data is shorter. */
const MOST_HEAD = 400;

/** Counts 0 for a part whose content is not visible and marks the count as an estimate. */
export function countUnknown(context: PromptContext): number {
  context.assumed = true;
  return 0;
}

/** @param given a string of the body */
export function countImage(given: string | undefined, detail: ImageDetail, context: PromptContext): number {
  const source = given === undefined ? undefined : textOf(given, context);
  const image = imageTokens(context.model.media.images, source, detail);
  if (given !== undefined) context.reads?.text(given);
  if (image.assumed) context.assumed = true;
  context.mediaTokens += image.tokens;
  return image.tokens;
}

/**
 * Counts images by their rule; audio, videos and documents by their length, an estimate. A document
 * that only the provider has counts as one page.
 */
export function countBinary({ data, mimeType }: BinaryData, context: PromptContext): number {
  const text = data === undefined ? '' : textOf(data, context);
  const head = text.slice(0, MOST_HEAD);
  const type = DATA_URL.exec(head)?.[1] ?? (typeof mimeType === 'string' ? mimeType : '');
  if (type.startsWith('image/')) return countImage(data, 'auto', context);
  context.assumed = true;
  if (data !== undefined) context.reads?.text(data);
  const base64 = text.slice(head.indexOf(',') + 1);
  const tokens = Math.max(1, Math.ceil(tokensOf(base64, type, context)));
  context.mediaTokens += tokens;
  return tokens;
}

function tokensOf(base64: string, type: string, { model }: PromptContext): number {
  const { audioTokensPerSecond, videoTokensPerSecond, tokensPerPage } = model.media;
  if (type.startsWith('audio/')) return audioSeconds(base64, type.slice('audio/'.length)) * audioTokensPerSecond;
  if (type.startsWith('video/')) return videoSeconds(base64) * videoTokensPerSecond;
  if (type.startsWith('text/')) return ((base64.length * 3) / 4) * TOKENS_PER_BYTE;
  return pageCount(base64) * tokensPerPage;
}
