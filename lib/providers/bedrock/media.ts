import { InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import { inlineDataIn } from '../data-url.js';
import type { ChatPart } from '../openai/chat-types.js';
import type { SentRequest } from '../protocol.js';

export type Block = Readonly<Record<string, unknown>>;

/** A block's kind and its format, by media type. */
const MEDIA: Readonly<Record<string, readonly ['image' | 'document' | 'video' | 'audio', string]>> = {
  'image/png': ['image', 'png'],
  'image/jpeg': ['image', 'jpeg'],
  'image/jpg': ['image', 'jpeg'],
  'image/gif': ['image', 'gif'],
  'image/webp': ['image', 'webp'],
  'application/pdf': ['document', 'pdf'],
  'application/msword': ['document', 'doc'],
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': ['document', 'docx'],
  'application/vnd.ms-excel': ['document', 'xls'],
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': ['document', 'xlsx'],
  'application/csv': ['document', 'csv'],
  'text/csv': ['document', 'csv'],
  'text/html': ['document', 'html'],
  'text/plain': ['document', 'txt'],
  'text/markdown': ['document', 'md'],
  'video/mp4': ['video', 'mp4'],
  'video/quicktime': ['video', 'mov'],
  'video/x-matroska': ['video', 'mkv'],
  'video/webm': ['video', 'webm'],
  'video/x-flv': ['video', 'flv'],
  'video/mpeg': ['video', 'mpeg'],
  'video/x-ms-wmv': ['video', 'wmv'],
  'video/3gpp': ['video', 'three_gp'],
};
const AUDIO_FORMATS: ReadonlySet<string> = new Set('aac flac m4a mka mkv mp3 mp4 mpeg mpga ogg opus pcm wav webm x-aac'.split(' '));
const EXTENSION = /\.[a-z0-9]{1,5}$/i;
const LONGEST_NAME = 200;

/** Writes images, documents, videos and audio as blocks. Documents have distinct names. */
export class MediaBlocks {
  private readonly names = new Set<string>();
  /** How often each name was asked for. */
  private readonly counts = new Map<string, number>();

  constructor(private readonly sent: SentRequest) {}

  image({ image_url: image }: ChatPart, path: string): Block {
    const { url, format } = typeof image === 'string' ? { url: image, format: undefined } : (image ?? {});
    if (typeof url !== 'string') throw new InvalidArgumentError(`${path}.image_url.url`, url, 'must be a string');
    return this.inline(url, `${path}.image_url`, { format });
  }

  file({ file }: ChatPart, path: string): Block {
    const { file_data: data, filename, format, file_id: id } = file ?? {};
    if (typeof data === 'string') return this.inline(data, `${path}.file`, { format, filename });
    if (typeof id === 'string')
      throw this.unsupported(`${path}.file.file_id`, 'does not accept file ids', 'send file_data with a data: URL');
    throw new InvalidArgumentError(`${path}.file.file_data`, data, 'must be a data: URL');
  }

  audio({ input_audio: audio }: ChatPart, path: string): Block {
    const { data, format } = audio ?? {};
    if (typeof data !== 'string') throw new InvalidArgumentError(`${path}.input_audio.data`, data, 'must be a string of base64');
    if (typeof format !== 'string' || !AUDIO_FORMATS.has(format))
      throw new InvalidArgumentError(`${path}.input_audio.format`, format, `must be one of ${[...AUDIO_FORMATS].join(', ')}`);
    return { audio: { format, source: { bytes: data } } };
  }

  /** Anthropic's own part: a source of base64 or text, a title, a context, citations. */
  document({ source, title, context, citations }: ChatPart, path: string): Block {
    const { type, media_type: mediaType, data } = (source ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof data !== 'string') throw new InvalidArgumentError(`${path}.source.data`, data, 'must be a string');
    const more = { ...(typeof context === 'string' && { context }), ...(citations !== undefined && { citations }) };
    const name = typeof title === 'string' ? title : undefined;
    if (type === 'text') return { document: { format: 'txt', name: this.nameOf(name), source: { text: data }, ...more } };
    const known = mediaOf(mediaType);
    if (type !== 'base64' || known?.[0] !== 'document') throw this.unknownType(`${path}.source`, mediaType);
    return { document: { format: known[1], name: this.nameOf(name), source: { bytes: data }, ...more } };
  }

  private inline(url: string, path: string, { format, filename }: { readonly format?: string; readonly filename?: string }): Block {
    const inline = inlineDataIn(url);
    const type = format ?? inline?.mediaType ?? typeOfName(url);
    if (url.startsWith('s3://')) return this.block(type, { s3Location: { uri: url } }, path, filename);
    if (inline !== undefined) return this.block(type, { bytes: inline.data }, path, filename);
    throw this.unsupported(path, 'does not fetch URLs', 'send a data: URL with base64, or an s3:// address');
  }

  private block(type: string | undefined, source: Block, path: string, filename: string | undefined): Block {
    const known = mediaOf(type);
    if (known === undefined) throw this.unknownType(path, type);
    const [kind, format] = known;
    return { [kind]: kind === 'document' ? { format, name: this.nameOf(filename), source } : { format, source } };
  }

  /** Letters, digits, single spaces, hyphens, brackets; distinct within the request. */
  private nameOf(given: string | undefined): string {
    const clean = (given ?? '')
      .replace(EXTENSION, '')
      .replace(/[^a-zA-Z0-9()[\]-]+/g, ' ')
      .trim()
      .slice(0, LONGEST_NAME - 6);
    const wanted = clean === '' ? 'document' : clean;
    let count = this.counts.get(wanted) ?? 0;
    let name: string;
    do name = ++count === 1 ? wanted : `${wanted} ${count}`;
    while (this.names.has(name));
    this.counts.set(wanted, count);
    this.names.add(name);
    return name;
  }

  private unknownType(path: string, type: unknown): UnsupportedRequestError {
    const named = typeof type === 'string' ? type.slice(0, 100) : 'without a media type';
    return this.unsupported(path, `does not accept data ${named}`, 'send PNG, JPEG, GIF, WebP, PDF, text, Office documents or videos');
  }

  private unsupported(param: string, reason: string, remedy: string): UnsupportedRequestError {
    return new UnsupportedRequestError({ param, provider: this.sent.provider, reason: `${this.sent.provider} ${reason}`, remedy });
  }
}

function mediaOf(type: unknown): (typeof MEDIA)[string] | undefined {
  return typeof type === 'string' && Object.hasOwn(MEDIA, type) ? MEDIA[type] : undefined;
}

/** An address in S3 has no media type but its ending. */
function typeOfName(url: string): string | undefined {
  const ending = EXTENSION.exec(url)?.[0].slice(1).toLowerCase();
  return Object.keys(MEDIA).find((type) => MEDIA[type][1] === ending || (ending === 'jpg' && type === 'image/jpeg'));
}
