import { isObject } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { countBinary, countImage, countUnknown } from './media.js';
import { checkDepth, countJson, countString, countText, textOf, type PromptContext } from './prompt-context.js';
import type { ImageDetail } from './image-rules.js';

type Part = Readonly<Record<string, unknown>>;
type PartCounter = (part: Part, path: string, context: PromptContext, depth: number) => number;

/** Default type of a document. */
const PDF = 'application/pdf';

/** Counters by part type: OpenAI's Chat Completions and Responses, Anthropic's Messages. */
const PARTS: ReadonlyMap<string, PartCounter> = new Map<string, PartCounter>([
  ...['text', 'input_text', 'output_text', 'summary_text', 'reasoning_text'].map((type): [string, PartCounter] => [
    type,
    (part, _, context) => countText(part.text, context),
  ]),
  ['refusal', (part, _, context) => countText(part.refusal, context)],
  ['image_url', (part, path, context) => countImageUrl(part.image_url, part.detail, `${path}.image_url`, context)],
  ['input_image', (part, path, context) => countImageUrl(part.image_url, part.detail, `${path}.image_url`, context)],
  ['computer_screenshot', (part, path, context) => countImageUrl(part.image_url, part.detail, `${path}.image_url`, context)],
  ['image', (part, path, context) => countSource(part.source, `${path}.source`, { context, kind: 'image', depth: 0 })],
  ['input_audio', countAudio],
  ['file', (part, _, context) => countFile(part.file, context)],
  ['input_file', (part, _, context) => countFile(part, context)],
  [
    'document',
    (part, path, context, depth) =>
      countText(part.title, context) +
      countText(part.context, context) +
      countSource(part.source, `${path}.source`, { context, kind: 'document', depth }),
  ],
  ['thinking', (part, _, context) => countText(part.thinking, context)],
  // The cost of encrypted content, or of a file that only the provider has, is unknown.
  ...['redacted_thinking', 'container_upload'].map((type): [string, PartCounter] => [type, (_, __, context) => countUnknown(context)]),
  ...['tool_use', 'server_tool_use', 'mcp_tool_use'].map((type): [string, PartCounter] => [type, countToolUse]),
  ...['tool_result', 'mcp_tool_result', 'web_search_tool_result', 'web_fetch_tool_result', 'compaction'].map(
    (type): [string, PartCounter] => [
      type,
      (part, path, context, depth) => countContent(part.content, `${path}.content`, context, depth + 1),
    ],
  ),
  ...['code_execution', 'bash_code_execution', 'text_editor_code_execution', 'tool_search'].map((tool): [string, PartCounter] => [
    `${tool}_tool_result`,
    (part, path, context) => countJson(part.content, `${path}.content`, context),
  ]),
  ...['web_search', 'web_fetch'].map((tool): [string, PartCounter] => [
    `${tool}_tool_result_error`,
    (part, _, context) => countText(part.error_code, context),
  ]),
  ['web_search_result', (part, _, context) => countText(part.title, context) + countText(part.url, context)],
  [
    'web_fetch_result',
    (part, path, context, depth) => countText(part.url, context) + countContent(part.content, `${path}.content`, context, depth + 1),
  ],
  [
    'search_result',
    (part, path, context, depth) =>
      countText(part.title, context) + countText(part.source, context) + countContent(part.content, `${path}.content`, context, depth + 1),
  ],
  ['tool_reference', (part, _, context) => countText(part.tool_name, context)],
]);

/**
 * Counts a message's `content`: a string, nothing, or a list of parts. Text counts as text, images
 * by their model's rule, audio and video by their length, `tool_use` as name and JSON input, a
 * binary document by its pages.
 *
 * @throws InvalidArgumentError naming the part (`messages[2].content[1].type`);
 * `UNKNOWN_CONTENT_TYPE` for an unknown type.
 */
export function countContent(content: unknown, path: string, context: PromptContext, depth = 0): number {
  if (typeof content === 'string') return countString(content, context);
  if (content === undefined || content === null) return 0;
  checkDepth(depth, path);
  if (!Array.isArray(content)) return countPart(content, path, context, depth);
  let tokens = 0;
  for (let i = 0; i < content.length; i++) tokens += countPart(content[i], `${path}[${i}]`, context, depth);
  return tokens;
}

function countPart(part: unknown, path: string, context: PromptContext, depth: number): number {
  if (typeof part === 'string') return countString(part, context);
  if (!isObject(part)) throw new InvalidArgumentError(path, part, 'must be a string or an object with a type');
  const counter = typeof part.type === 'string' ? PARTS.get(part.type) : undefined;
  context.reads?.note('part', part);
  if (counter === undefined && context.reads !== undefined) return countVideo(part, context) ?? 0;
  if (counter === undefined)
    throw new InvalidArgumentError(`${path}.type`, part.type, `must be one of ${[...PARTS.keys()].join(', ')}`, 'UNKNOWN_CONTENT_TYPE');
  return counter(part, path, context, depth);
}

/** OpenAI's, and those that LiteLLM adds for Gemini. */
const DETAILS: ReadonlyMap<string, ImageDetail> = new Map<string, ImageDetail>([
  ['low', 'low'],
  ['medium', 'medium'],
  ['high', 'high'],
  ['auto', 'auto'],
  ['original', 'original'],
  ['ultra_high', 'original'],
]);

function countToolUse(part: Part, path: string, context: PromptContext): number {
  return countText(part.name, context) + countJson(part.input, `${path}.input`, context);
}

function countImageUrl(image: unknown, outerDetail: unknown, path: string, context: PromptContext): number {
  const url = isObject(image) ? image.url : image;
  const detail = (isObject(image) ? image.detail : undefined) ?? outerDetail ?? 'auto';
  // In the Responses API, it can be an uploaded file instead of a URL.
  if (url !== undefined && url !== null && typeof url !== 'string')
    throw new InvalidArgumentError(path, url, 'must be a URL, or an object with a url');
  context.reads?.note('part', image);
  const known = typeof detail === 'string' ? DETAILS.get(detail) : undefined;
  if (known === undefined) throw new InvalidArgumentError(`${path}.detail`, detail, `must be one of ${[...DETAILS.keys()].join(', ')}`);
  return countImage(url ?? undefined, known, context);
}

interface SourceContext {
  readonly context: PromptContext;
  readonly kind: 'image' | 'document';
  readonly depth: number;
}

/** Anthropic's `source`. */
function countSource(source: unknown, path: string, { context, kind, depth }: SourceContext): number {
  if (!isObject(source)) throw new InvalidArgumentError(path, source, 'must be an object with a type');
  context.reads?.note('part', source);
  if (source.type === 'text') return countText(source.data, context);
  if (source.type === 'content') return countContent(source.content, `${path}.content`, context, depth + 1);
  const data = typeof source.data === 'string' ? source.data : undefined;
  return kind === 'image' ? countImage(data, 'high', context) : countBinary({ data, mimeType: source.media_type ?? PDF }, context);
}

/** OpenAI's file, inline or by id. */
function countFile(file: unknown, context: PromptContext): number {
  if (!isObject(file)) return 0;
  context.reads?.note('part', file);
  const data = typeof file.file_data === 'string' ? file.file_data : undefined;
  return countText(file.filename, context) + countBinary({ data, mimeType: PDF }, context);
}

/** `video_url` with inline data, which is not counted as text; `undefined` for other parts. */
function countVideo({ type, video_url }: Part, context: PromptContext): number | undefined {
  const given = isObject(video_url) ? video_url.url : video_url;
  if (type !== 'video_url' || typeof given !== 'string') return undefined;
  const url = textOf(given, context);
  return url.startsWith('data:video/') && url.slice(0, 256).includes(';base64,') ? countBinary({ data: given }, context) : undefined;
}

function countAudio(part: Part, path: string, context: PromptContext): number {
  const audio = part.input_audio;
  if (!isObject(audio) || typeof audio.data !== 'string')
    throw new InvalidArgumentError(`${path}.input_audio.data`, isObject(audio) ? audio.data : audio, 'must be base64 audio');
  context.reads?.note('part', audio);
  const format = typeof audio.format === 'string' ? audio.format : undefined;
  return countBinary({ data: audio.data, mimeType: `audio/${format ?? ''}` }, context);
}
