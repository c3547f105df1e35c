import { audioSeconds } from './audio.js';
import { type ImageDetail, ASSUMED_RULE, isFixed, type ImageRule } from './image-rules.js';
import { textOf, TOKENS_PER_BYTE, type PromptContext } from './prompt-context.js';
import { videoSeconds } from './video.js';
import { imageDimensions } from './image-dimensions.js';

/** Inline data of a prompt. */
export interface BinaryData {
  /** Base64 or a `data:` URL; `undefined` for what only the provider has. */
  readonly data: string | undefined;
  /** For data that is not a `data:` URL. */
  readonly mimeType?: unknown;
}

const DATA_URL = /^data:([^,;]*)/;
/** The prefix before the data is shorter. */
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

/** Tokens of an image, and whether its size or its rule had to be assumed. */
interface ImageTokens {
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

/** Of a page whose number is not found, as Word and LaTeX write them. */
const BYTES_PER_PAGE = 30_000;
/** Bytes that are searched for pages: some milliseconds. */
const MOST_BYTES = 16 * 1024 * 1024;
const TYPE = '/Type';
const PAGE = '/Page';

/**
 * Estimates the pages of a base64 PDF: those that its text shows, else by its size, because newer
 * files may hide them in compressed streams. At least 1.
 */
function pageCount(base64: string): number {
  const bytes = Buffer.from(base64.slice(0, (MOST_BYTES / 3) * 4), 'base64');
  let pages = 0;
  for (let at = bytes.indexOf(PAGE); at >= 0; at = bytes.indexOf(PAGE, at + PAGE.length)) if (isPage(bytes, at)) pages++;
  return pages > 0 ? pages : Math.max(1, Math.ceil((base64.length * 3) / 4 / BYTES_PER_PAGE));
}

/** Whether `/Page` follows `/Type`, and not a longer name: `/Type /Page`, not `/Type /Pages`. */
function isPage(bytes: Buffer, at: number): boolean {
  const next = bytes[at + PAGE.length];
  const isLonger = (next >= 0x41 && next <= 0x5a) || (next >= 0x61 && next <= 0x7a);
  return (
    !isLonger &&
    bytes
      .toString('latin1', Math.max(0, at - 16), at)
      .trimEnd()
      .endsWith(TYPE)
  );
}
