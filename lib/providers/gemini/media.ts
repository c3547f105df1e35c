import { type Fields, fieldsOf, nonEmptyString } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import { inlineDataIn } from '../data-url.js';
import type { SentRequest } from '../protocol.js';
import { type GeminiPart } from './content-types.js';
import type { GeminiModel } from './models.js';

/** The destination of media: the API and the model determine the allowed types. */
export interface MediaTarget {
  readonly sent: SentRequest;
  readonly model: GeminiModel;
  readonly isVertex: boolean;
}

/** A medium in OpenAI's words. */
interface Medium {
  readonly url: string;
  /** Its media type, where the client states it. */
  readonly format: string | undefined;
  readonly isImage: boolean;
  readonly fields: Fields;
}

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  heic: 'image/heic',
  heif: 'image/heif',
  pdf: 'application/pdf',
  mp3: 'audio/mp3',
  wav: 'audio/wav',
  aac: 'audio/aac',
  flac: 'audio/flac',
  ogg: 'audio/ogg',
  m4a: 'audio/m4a',
  opus: 'audio/opus',
  mp4: 'video/mp4',
  mpeg: 'video/mpeg',
  mpg: 'video/mpg',
  mov: 'video/mov',
  avi: 'video/avi',
  flv: 'video/x-flv',
  webm: 'video/webm',
  wmv: 'video/wmv',
  '3gp': 'video/3gpp',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  html: 'text/html',
  css: 'text/css',
  xml: 'text/xml',
  json: 'application/json',
  js: 'text/javascript',
  py: 'text/x-python',
  rtf: 'text/rtf',
};
const ALIASES: Readonly<Record<string, string>> = { 'image/jpg': 'image/jpeg' };
/** Gemini reads an image's own header: the type only has to be one of an image. */
const SOME_IMAGE = 'image/jpeg';
const EXTENSION = /\.([a-z0-9]{2,4})$/;
const FILES_API = /^\/v1(?:beta|alpha)?\/files\//;
const YOUTUBE = new Set(['www.youtube.com', 'youtube.com', 'm.youtube.com', 'youtu.be']);
/** Values of `detail`, from the lowest. Others (`auto`) leave it to Google. */
const DETAILS = ['low', 'medium', 'high', 'ultra_high'];

/**
 * Translates `image_url`, `file` and `input_audio`; `undefined`: the part is none of them. Nothing
 * is fetched here: a client could name addresses of the internal network.
 * @throws InvalidArgumentError, UnsupportedRequestError naming the part
 */
export function mediaPartOf(part: Fields, path: string, target: MediaTarget): GeminiPart | undefined {
  const medium = mediumIn(part, path);
  if (medium === undefined) return undefined;
  const { detail, video_metadata: video } = medium.fields;
  const level = resolutionOf([detail]);
  return {
    ...sourceOf(medium, path, target),
    ...(level !== undefined && target.model.isThree && { mediaResolution: { level } }),
    ...(video !== undefined && { videoMetadata: videoMetadata(fieldsOf(video)) }),
  };
}

/** The resolution for the highest `detail` of these. */
export function resolutionOf(details: readonly unknown[]): string | undefined {
  const highest = details.reduce<number>((rank, detail) => Math.max(rank, DETAILS.indexOf(detail as string)), -1);
  return highest < 0 ? undefined : `MEDIA_RESOLUTION_${DETAILS[highest].toUpperCase()}`;
}

function mediumIn(part: Fields, path: string): Medium | undefined {
  if (part.type === 'image_url') {
    const image = part.image_url;
    const fields = typeof image === 'string' ? part : fieldsOf(image);
    const url = typeof image === 'string' ? image : fields.url;
    if (nonEmptyString(url) === undefined) throw new InvalidArgumentError(`${path}.image_url`, image, 'must have a url');
    return { url: url as string, format: formatIn(fields), isImage: true, fields };
  }
  if (part.type === 'file') {
    const fields = fieldsOf(part.file);
    const url = nonEmptyString(fields.file_id) ?? nonEmptyString(fields.file_data) ?? nonEmptyString(fields.file_url);
    if (url === undefined) throw new InvalidArgumentError(`${path}.file`, part.file, 'must have file_data or file_id');
    return { url, format: formatIn(fields) ?? typeByName(nonEmptyString(fields.filename) ?? ''), isImage: false, fields };
  }
  if (part.type !== 'input_audio') return undefined;
  const fields = fieldsOf(part.input_audio);
  const { data, format } = fields;
  if (nonEmptyString(data) === undefined || nonEmptyString(format) === undefined)
    throw new InvalidArgumentError(`${path}.input_audio`, part.input_audio, 'must have data and format');
  const mediaType = (format as string).startsWith('audio/') ? (format as string) : `audio/${format as string}`;
  return { url: data as string, format: mediaType, isImage: false, fields };
}

function formatIn({ format, mime_type: mimeType, content_type: contentType }: Fields): string | undefined {
  return nonEmptyString(format) ?? nonEmptyString(mimeType) ?? nonEmptyString(contentType);
}

function sourceOf(medium: Medium, path: string, target: MediaTarget): GeminiPart {
  const { url, format } = medium;
  if (url.startsWith('data:')) {
    const inline = inlineDataIn(url);
    if (inline === undefined) throw new InvalidArgumentError(path, url, 'must be a data: URL of base64 with a media type');
    return { inlineData: { mimeType: aliased(format ?? inline.mediaType), data: inline.data } };
  }
  // Only the start, because base64 can be megabytes long.
  const isAddress = /^[a-z][a-z0-9+.-]*:/i.test(url.slice(0, 64));
  if (!isAddress && format !== undefined) return { inlineData: { mimeType: aliased(format), data: url } };
  const address = isAddress && URL.canParse(url) ? new URL(url) : undefined;
  if (address?.protocol === 'gs:') return fileOf(medium, requiredType(medium, address, path));
  if (address?.protocol === 'https:') return remoteOf(medium, address, path, target);
  const rule = 'must be a data: URL, a gs:// or https:// URL, or base64 with a format';
  throw new InvalidArgumentError(path, url.slice(0, 100), rule);
}

function remoteOf(medium: Medium, address: URL, path: string, target: MediaTarget): GeminiPart {
  const { format, url } = medium;
  const { hostname, pathname } = address;
  if (hostname === 'generativelanguage.googleapis.com' && FILES_API.test(pathname)) return fileOf(medium, format);
  if (YOUTUBE.has(hostname)) return { fileData: { mimeType: format ?? 'video/mp4', fileUri: url } };
  if (target.isVertex || target.model.fetchesMedia) return fileOf(medium, requiredType(medium, address, path));
  const { provider, model } = target.sent;
  const reason = `the Gemini API does not fetch URLs for ${model}, nor does this client (a URL could point into your own network)`;
  throw new UnsupportedRequestError({ param: path, provider, reason, remedy: 'send the bytes as a data: URL of base64' });
}

function fileOf({ url }: Medium, mimeType: string | undefined): GeminiPart {
  return { fileData: { ...(mimeType !== undefined && { mimeType: aliased(mimeType) }), fileUri: url } };
}

function requiredType({ format, isImage }: Medium, { pathname }: URL, path: string): string {
  const known = format ?? typeByName(pathname) ?? (isImage ? SOME_IMAGE : undefined);
  if (known !== undefined) return known;
  throw new InvalidArgumentError(
    `${path}.file.format`,
    undefined,
    'must be the media type, such as application/pdf, if the file name does not show it',
  );
}

function typeByName(name: string): string | undefined {
  const extension = EXTENSION.exec(name.slice(-5).toLowerCase())?.[1];
  return extension !== undefined && Object.hasOwn(MEDIA_TYPES, extension) ? MEDIA_TYPES[extension] : undefined;
}

function aliased(mediaType: string): string {
  const plain = mediaType.split(';', 1)[0].trim().toLowerCase();
  return Object.hasOwn(ALIASES, plain) ? ALIASES[plain] : plain;
}

function videoMetadata({ fps, start_offset: startOffset, end_offset: endOffset }: Fields): Fields {
  return {
    ...(fps !== undefined && { fps }),
    ...(startOffset !== undefined && { startOffset }),
    ...(endOffset !== undefined && { endOffset }),
  };
}
