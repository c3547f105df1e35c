import { isObject, type Fields } from '../../common/objects.js';

const MEDIA = new Set<unknown>(['image_url', 'file', 'input_audio']);

/**
 * Moves images and files in results of tools to a user's message after them: OpenAI's tool
 * messages hold text only, while Anthropic, Gemini and Bedrock take both.
 */
export function withoutToolMedia(messages: readonly unknown[], textOf = (text: string): string => text): readonly unknown[] {
  if (!messages.some(hasMedia)) return messages;
  const written: unknown[] = [];
  let media: unknown[] = [];
  for (const message of messages) {
    if (media.length > 0 && !isOfTool(message)) {
      written.push({ role: 'user', content: media });
      media = [];
    }
    if (!hasMedia(message)) written.push(message);
    else {
      const moved = message.content.filter(isMedia);
      const texts = message.content.filter((part) => !isMedia(part));
      const note = { type: 'text', text: `[${moved.length} of its parts follow in the next message]` };
      written.push({ ...message, content: texts.length > 0 ? texts : [note] });
      media.push({ type: 'text', text: `From the result of ${textOf(String(message.tool_call_id))}:` }, ...moved);
    }
  }
  if (media.length > 0) written.push({ role: 'user', content: media });
  return written;
}

function isOfTool(message: unknown): message is Fields {
  return isObject(message) && message.role === 'tool';
}

function hasMedia(message: unknown): message is Fields & { readonly content: readonly unknown[] } {
  return isOfTool(message) && Array.isArray(message.content) && message.content.some(isMedia);
}

function isMedia(part: unknown): boolean {
  return isObject(part) && MEDIA.has(part.type);
}
