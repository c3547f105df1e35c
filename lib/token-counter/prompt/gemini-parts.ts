import { isObject } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { countContent } from './content-parts.js';
import type { ImageDetail } from './image-rules.js';
import { countBinary, countImage } from './media.js';
import { countJson, countString, countText, type PromptContext } from './prompt-context.js';

type Part = Readonly<Record<string, unknown>>;

/**
 * Counts a message's `parts`: Gemini's, which have no type, or typed ones as in `content`.
 *
 * @throws InvalidArgumentError naming the part (`messages[2].parts[1]`).
 */
export function countParts(parts: unknown, path: string, context: PromptContext): number {
  if (!Array.isArray(parts)) throw new InvalidArgumentError(path, parts, 'must be an array of parts');
  let tokens = 0;
  for (let i = 0; i < parts.length; i++) {
    const part: unknown = parts[i];
    const isGemini = isObject(part) && part.type === undefined;
    tokens += isGemini ? countPart(part, `${path}[${i}]`, context) : countContent([part], `${path}[${i}]`, context);
  }
  return tokens;
}

function countPart(part: Part, path: string, context: PromptContext): number {
  if (typeof part.text === 'string') return countString(part.text, context);
  const blob = part.inlineData ?? part.inline_data;
  if (isObject(blob)) return countBlob(part, blob, context);
  const file = part.fileData ?? part.file_data;
  if (isObject(file)) return countBlob(part, file, context);
  const call = part.functionCall ?? part.function_call ?? part.functionResponse ?? part.function_response;
  if (isObject(call)) return countText(call.name, context) + countJson(call.args ?? call.response, path, context);
  if (context.reads !== undefined) return 0;
  throw new InvalidArgumentError(
    path,
    part,
    'must have a text, inlineData, fileData, functionCall or functionResponse',
    'UNKNOWN_CONTENT_TYPE',
  );
}

/** Inline data, or a file that only the provider has. */
function countBlob(part: Part, blob: Part, context: PromptContext): number {
  const data = typeof blob.data === 'string' ? blob.data : undefined;
  const mimeType = blob.mimeType ?? blob.mime_type;
  const isImage = typeof mimeType !== 'string' || mimeType.startsWith('image/');
  return isImage ? countImage(data, resolutionOf(part), context) : countBinary({ data, mimeType }, context);
}

const RESOLUTIONS: Readonly<Record<string, ImageDetail>> = {
  MEDIA_RESOLUTION_LOW: 'low',
  MEDIA_RESOLUTION_MEDIUM: 'medium',
  MEDIA_RESOLUTION_HIGH: 'high',
  MEDIA_RESOLUTION_ULTRA_HIGH: 'original',
};

/** Gemini 3's `mediaResolution` of a part. */
function resolutionOf(part: Part): ImageDetail {
  const resolution = part.mediaResolution ?? part.media_resolution;
  const level = isObject(resolution) ? resolution.level : resolution;
  return typeof level === 'string' && Object.hasOwn(RESOLUTIONS, level) ? RESOLUTIONS[level] : 'auto';
}
