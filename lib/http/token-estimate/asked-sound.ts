import type { Fields } from '../../common/objects.js';

/** Parts of messages that may be sound: files and videos, too. */
const SOUND = /audio|file|video|media/i;
/** Gemini accepts any data URL as an image. In a body's outline, markers replace long texts. */
const NO_SOUND = /^(?:https?:|data:image\/)/i;

/** Whether the messages or the input of a request may have sound in them. */
export function mayHaveSound({ messages, input }: Fields): boolean {
  return (Array.isArray(messages) && hasSound(messages)) || (Array.isArray(input) && hasSound(input));
}

function hasSound(messages: readonly unknown[]): boolean {
  for (const message of messages) {
    const { content } = (message ?? {}) as Fields;
    if (isSound(message) || (Array.isArray(content) && content.some(isSound))) return true;
  }
  return false;
}

function isSound(part: unknown): boolean {
  const { type, audio, image_url: image } = (part ?? {}) as Fields;
  if (typeof type === 'string' && SOUND.test(type)) return true;
  // An answer that the model has spoken, by its id.
  if ((audio ?? undefined) !== undefined) return true;
  const url = typeof image === 'object' && image !== null ? (image as Fields).url : image;
  return typeof url === 'string' && !NO_SOUND.test(url);
}
