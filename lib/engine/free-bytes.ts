import { openNativeBinding } from './native-binding.js';

/** Shorter ones hardly hasten a collection. */
const FREED_FROM = 16 * 1024;

/**
 * Frees the memory of bytes, which are empty afterwards. V8 marks its whole heap, in 40 ms of
 * processor time, for each 64 MB of buffers that it has not freed. Without the addon it does so.
 *
 * For bytes of the caller's own, of which no view is used any more and no write is pending.
 */
export function freeBytes({ buffer, byteLength }: Uint8Array): void {
  // A part of a memory may have neighbours that others use.
  if (byteLength < FREED_FROM || byteLength !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) return;
  openNativeBinding().binding?.freeMemory(buffer);
}
