import { type Fields, asString } from '../common/objects.js';
import { InvalidArgumentError } from '../common/errors.js';
import type { ChatRequestPart } from '../apis/wire/requests.js';

/** Blocks that other fields of a message hold, or that only their provider can read. */
const NOT_CONTENT = new Set(['tool_use', 'tool_call', 'tool_call_chunk', 'input_json_delta', 'reasoning', 'thinking', 'redacted_thinking']);

/**
 * Translates LangChain's content blocks, old and standard, to the parts of OpenAI's chat. A block
 * without a rule, such as a part of OpenAI's chat, is sent as it is.
 *
 * @throws InvalidArgumentError naming a block without data.
 */
export function contentParts(path: string, content: readonly unknown[]): ChatRequestPart[] {
  return content.flatMap((block, index) => partsOf(`${path}[${index}]`, block));
}

function partsOf(path: string, block: unknown): ChatRequestPart[] {
  if (typeof block === 'string') return [{ type: 'text', text: block }];
  const fields = block as Fields;
  if (NOT_CONTENT.has(String(fields.type))) return [];
  switch (fields.type) {
    case 'text':
      return [textPart(fields)];
    case 'text-plain':
      return [{ type: 'text', text: plainText(path, fields) }];
    case 'image':
      return [imagePart(path, fields)];
    case 'audio':
      return [audioPart(path, fields)];
    case 'video':
      return [filePart(path, fields)];
    case 'file':
      return [fields.file === undefined ? filePart(path, fields) : (fields as unknown as ChatRequestPart)];
    default:
      return [fields as unknown as ChatRequestPart];
  }
}

/** With marks for the prompt cache; without what LangChain adds. */
function textPart({ text, cache_control: mark }: Fields): ChatRequestPart {
  return { type: 'text', text: asString(text) ?? '', ...(mark !== undefined && { cache_control: mark }) };
}

function plainText(path: string, fields: Fields): string {
  return asString(fields.text) ?? Buffer.from(base64Of(path, fields), 'base64').toString('utf8');
}

function imagePart(path: string, fields: Fields): ChatRequestPart {
  const id = fileIdOf(fields);
  if (id !== undefined) return { type: 'file', file: { file_id: id } };
  const detail = asString((fields.metadata as Fields | undefined)?.detail);
  return { type: 'image_url', image_url: { url: urlOf(path, fields, 'image/png'), ...(detail !== undefined && { detail }) } };
}

function audioPart(path: string, fields: Fields): ChatRequestPart {
  const url = urlOf(path, fields, 'audio/wav');
  const [, subtype, data] = /^data:audio\/([\w.+-]+);base64,([^]*)$/.exec(url) ?? [];
  if (data === undefined) throw new InvalidArgumentError(path, fields.url, 'must have data, or an audio data: URL');
  return { type: 'input_audio', input_audio: { data, format: AUDIO_FORMATS[subtype] ?? subtype } };
}

const AUDIO_FORMATS: Readonly<Record<string, string>> = { mpeg: 'mp3', 'x-wav': 'wav', wave: 'wav', 'vnd.wave': 'wav' };

function filePart(path: string, fields: Fields): ChatRequestPart {
  const id = fileIdOf(fields);
  const metadata = (fields.metadata ?? {}) as Fields;
  const filename = [metadata.filename, metadata.name, metadata.title].find((each) => typeof each === 'string');
  const name = filename === undefined ? {} : { filename };
  if (id !== undefined) return { type: 'file', file: { file_id: id, ...name } };
  if (fields.source_type === 'text') return { type: 'text', text: plainText(path, fields) };
  const url = urlOf(path, fields, 'application/pdf');
  const format = mediaTypeOf(fields);
  // LiteLLM's way to send an address.
  if (!url.startsWith('data:')) return { type: 'file', file: { file_id: url, ...(format !== undefined && { format }), ...name } };
  return { type: 'file', file: { file_data: url, ...name } };
}

/** The block's address, or its data as a `data:` URL. */
function urlOf(path: string, fields: Fields, usualType: string): string {
  const source = (fields.source ?? {}) as Fields;
  const url = asString(fields.url) ?? asString(source.url);
  if (url !== undefined) return url;
  const type = mediaTypeOf(fields) ?? usualType;
  return `data:${type};base64,${base64Of(path, fields)}`;
}

function base64Of(path: string, fields: Fields): string {
  const data = fields.data ?? (fields.source as Fields | undefined)?.data;
  if (data instanceof Uint8Array) return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
  if (typeof data !== 'string') throw new InvalidArgumentError(path, fields, 'must have data, url or fileId');
  return data;
}

/** In standard blocks, in older ones, and in Anthropic's. */
function mediaTypeOf({ mimeType, mime_type: older, source }: Fields): string | undefined {
  return asString(mimeType) ?? asString(older) ?? asString((source as Fields | undefined)?.media_type);
}

function fileIdOf({ fileId, source_type: kind, id }: Fields): string | undefined {
  return asString(fileId) ?? (kind === 'id' ? asString(id) : undefined);
}
