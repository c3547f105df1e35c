import type { Fields } from '../common/objects.js';
import type { ChatRequestMessage, ChatRequestPart } from '../apis/wire/requests.js';
import { fileDataOf, imageTypeOf } from './file-data.js';
import { optionOf } from './own-options.js';
import type { PromptMessage, PromptPart, ToolOutput, WithProviderOptions } from './specification.js';

/** OpenAI's names of audio formats. */
const SOUNDS: Readonly<Record<string, string>> = { mpeg: 'mp3', 'x-wav': 'wav', wave: 'wav' };
const DENIED = 'The tool was not allowed to run.';

/** Puts a prompt of the AI SDK into messages of OpenAI's chat. */
export function chatMessages(prompt: readonly PromptMessage[]): ChatRequestMessage[] {
  return prompt.flatMap((message) => {
    const { role, content } = message;
    if (typeof content === 'string') return [{ role, content, ...mark(message) }];
    if (role === 'assistant') return [assistant(content, message)];
    if (role === 'tool') return content.flatMap((part) => toolResult(part));
    return [{ role, ...userContent(content, message) }];
  });
}

/** A text alone is written as a text: some servers take no list. */
function userContent(content: readonly PromptPart[], message: WithProviderOptions): Pick<ChatRequestMessage, 'content'> {
  const parts = content.flatMap((part, at) => {
    const written = mediaPart(part);
    // A mark on the message applies to its last part.
    return written === undefined ? [] : [{ ...written, ...(at === content.length - 1 && mark(message)), ...mark(part) }];
  });
  const [first] = parts;
  const isPlain = parts.length === 1 && first.type === 'text' && first.cache_control === undefined;
  return { content: isPlain ? first.text : parts };
}

/** A text, an image, a sound or a document; `undefined`: none of them. */
function mediaPart({ type, text, data, originalUrl, mediaType = '', filename, ...part }: PromptPart): ChatRequestPart | undefined {
  if (type === 'text') return { type, text };
  const file = type === 'file' ? fileDataOf(data, originalUrl) : undefined;
  if (file === undefined) return undefined;
  if ('text' in file) return { type: 'text', text: file.text };
  if (/^image\b/.test(mediaType)) {
    const url = 'base64' in file ? dataUrl(imageTypeOf(mediaType, file.base64), file.base64) : 'url' in file ? file.url : file.fileId;
    const detail = optionOf(part, 'imageDetail');
    return { type: 'image_url', image_url: { url, ...(typeof detail === 'string' && { detail }) } };
  }
  const name = filename === undefined ? undefined : { filename };
  if (!('base64' in file)) return { type: 'file', file: { file_id: 'url' in file ? file.url : file.fileId, format: mediaType, ...name } };
  const [kind, subtype = ''] = mediaType.split('/', 2);
  if (kind === 'audio') return { type: 'input_audio', input_audio: { data: file.base64, format: SOUNDS[subtype] ?? subtype } };
  if (kind === 'text') return { type: 'text', text: Buffer.from(file.base64, 'base64').toString('utf8') };
  return { type: 'file', file: { file_data: dataUrl(mediaType, file.base64), filename: filename ?? `document.${subtype}` } };
}

function dataUrl(mediaType: string, base64: string): string {
  return `data:${mediaType};base64,${base64}`;
}

function assistant(content: readonly PromptPart[], message: WithProviderOptions): ChatRequestMessage {
  const texts = content.flatMap(({ type, text = '' }) => (type === 'text' ? [text] : []));
  const thoughts = content.filter(({ type }) => type === 'reasoning');
  const calls = content.filter(({ type, providerExecuted }) => type === 'tool-call' && providerExecuted !== true);
  const images = content.flatMap((part) => (part.type === 'file' ? [mediaPart(part)] : [])).filter((part) => part?.type === 'image_url');
  const blocks = thoughts.flatMap((part) => thinkingBlock(part));
  const reasoning = thoughts.map(({ text = '' }) => text).join('');
  return {
    role: 'assistant',
    content: texts.join('') || null,
    ...(reasoning !== '' && { reasoning_content: reasoning }),
    ...(blocks.length > 0 && { thinking_blocks: blocks }),
    ...(images.length > 0 && { images }),
    ...(calls.length > 0 && { tool_calls: calls.map(toolCall) }),
    ...mark(message),
  };
}

/** Thinking that its provider has signed; any other is a text only. */
function thinkingBlock(part: PromptPart): object[] {
  const signature = optionOf(part, 'signature');
  if (typeof signature === 'string') return [{ type: 'thinking', thinking: part.text ?? '', signature }];
  const data = optionOf(part, 'redactedData');
  return typeof data === 'string' ? [{ type: 'redacted_thinking', data }] : [];
}

function toolCall({ toolCallId: id, toolName: name, input }: PromptPart): object {
  return { id, type: 'function', function: { name, arguments: JSON.stringify(input ?? {}) } };
}

/** An answer to the SDK's question whether a tool may run is not sent to the model. */
function toolResult(part: PromptPart): ChatRequestMessage[] {
  const { type, toolCallId, output } = part;
  if (type !== 'tool-result' || output === undefined) return [];
  return [{ role: 'tool', tool_call_id: toolCallId, content: resultContent(output), ...mark(part) }];
}

function resultContent({ type, value, reason }: ToolOutput): ChatRequestMessage['content'] {
  if (type === 'text' || type === 'error-text') return String(value);
  if (type === 'execution-denied') return reason ?? DENIED;
  if (type === 'content' && Array.isArray(value)) return value.map((part) => resultPart(part as PromptPart & Fields));
  return JSON.stringify(value ?? null);
}

function resultPart(part: PromptPart & Fields): ChatRequestPart {
  const { type, mediaType, data, url, fileId } = part;
  const isImage = type.startsWith('image-');
  const at = { type: 'file', mediaType: mediaType ?? (isImage ? 'image' : ''), filename: part.filename };
  if (type === 'text' || type === 'file') return mediaPart(part) ?? asText(part);
  if (type.endsWith('-data')) return mediaPart({ ...at, data }) ?? asText(part);
  if (type.endsWith('-url')) return mediaPart({ ...at, data: { type: 'url', url: { href: url } } }) ?? asText(part);
  if (type.endsWith('-id')) {
    const reference = typeof fileId === 'object' ? fileId : { any: fileId };
    return mediaPart({ ...at, data: { type: 'reference', reference } }) ?? asText(part);
  }
  return asText(part);
}

function asText({ providerOptions: _, ...part }: PromptPart): ChatRequestPart {
  return { type: 'text', text: JSON.stringify(part) };
}

/** Anthropic's mark for its cache of prompts. */
function mark(of: WithProviderOptions): { readonly cache_control?: object } | undefined {
  const cacheControl = optionOf(of, 'cacheControl');
  return typeof cacheControl === 'object' && cacheControl !== null ? { cache_control: cacheControl } : undefined;
}
