import type { Forwarded } from '../../../providers/forwarded/forwarded.js';
import type { Operation } from '../../../providers/protocol.js';
import { CHAT_TEXTS } from './chat-texts.js';
import { CONTENT_TEXTS } from './content-texts.js';
import { COMPLETION_TEXTS } from './completion-texts.js';
import { MESSAGE_TEXTS } from './message-texts.js';
import { RESPONSE_TEXTS } from './response-texts.js';
import type { TextFormat } from './text-format.js';

const FORMATS: Readonly<Partial<Record<Operation, TextFormat>>> = {
  chat: CHAT_TEXTS,
  completions: COMPLETION_TEXTS,
  generateContent: CONTENT_TEXTS,
  messages: MESSAGE_TEXTS,
  responses: RESPONSE_TEXTS,
  stored_responses: RESPONSE_TEXTS,
  compact_response: RESPONSE_TEXTS,
};

/** Where the texts of an operation's answers are; `undefined`: its JSON has no text of a model. */
export function textFormatOf(operation: Operation): TextFormat | undefined {
  return FORMATS[operation];
}

/** Why hooks cannot read the texts of an answer; `undefined` if they can, or if it has none. */
export function unreadableTexts(forwarded: Forwarded | undefined): string | undefined {
  return forwarded === undefined || forwarded.answer === 'json' ? undefined : 'an answer in bytes, such as audio, has no readable text';
}
