import type { Fields } from '../../common/objects.js';

/** Parts of messages that may be sound: files and videos, too. */
const SOUND = /audio|file|video|media/i;
/** Gemini accepts any data URL as an image. In a body's outline, markers replace long texts. */
const NO_SOUND = /^(?:https?:|data:image\/)/i;

/** Whether the messages or the input of a request may have sound in them. */
export function mayHaveSound({ messages, input }: Fields): boolean {
  return [messages, input].some((list) => Array.isArray(list) && list.some((each) => isSound(each) || partsOf(each).some(isSound)));
}

function partsOf(message: unknown): readonly unknown[] {
  const { content } = (message ?? {}) as Fields;
  return Array.isArray(content) ? content : [];
}

function isSound(part: unknown): boolean {
  const { type, audio, image_url: image } = (part ?? {}) as Fields;
  if (typeof type === 'string' && SOUND.test(type)) return true;
  // An answer that the model has spoken, by its id.
  if ((audio ?? undefined) !== undefined) return true;
  const url = typeof image === 'object' && image !== null ? (image as Fields).url : image;
  return typeof url === 'string' && !NO_SOUND.test(url);
}
