import type { Fields } from '../common/objects.js';

/** The data of a file in a prompt, in whichever form the AI SDK hands it over. */
export type FileData =
  | { readonly url: string }
  | { readonly base64: string }
  /** Kept by a provider. */
  | { readonly fileId: string }
  | { readonly text: string };

/**
 * Reads bytes, base64, a `URL`, and the tagged forms of AI SDK 7.
 * @param originalUrl as it was before it became a `URL`
 */
export function fileDataOf(data: unknown, originalUrl?: string): FileData | undefined {
  if (typeof data === 'string') return { base64: data };
  if (ArrayBuffer.isView(data)) return { base64: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64') };
  if (typeof data !== 'object' || data === null) return undefined;
  const { href, type, data: inner, url, originalUrl: original, text, reference } = data as Fields;
  if (typeof href === 'string') return { url: originalUrl ?? href };
  if (type === 'data') return fileDataOf(inner);
  if (type === 'url') return fileDataOf(url, typeof original === 'string' ? original : undefined);
  if (type === 'text' && typeof text === 'string') return { text };
  const ids = type === 'reference' && typeof reference === 'object' && reference !== null ? Object.values(reference) : [];
  return typeof ids[0] === 'string' ? { fileId: ids[0] } : undefined;
}

/** How base64 of these images begins. */
const IMAGES: readonly (readonly [string, string])[] = [
  ['iVBORw', 'image/png'],
  ['/9j/', 'image/jpeg'],
  ['R0lGOD', 'image/gif'],
  ['UklGR', 'image/webp'],
];

/** The whole media type of an image of which only `image` or `image/*` is stated. */
export function imageTypeOf(mediaType: string, base64: string): string {
  if (mediaType !== 'image' && mediaType !== 'image/*') return mediaType;
  return IMAGES.find(([start]) => base64.startsWith(start))?.[1] ?? 'image/jpeg';
}
