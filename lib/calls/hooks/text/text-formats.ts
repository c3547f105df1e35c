import type { Forwarded } from '../../../providers/forwarded/forwarded.js';
import type { Operation } from '../../../providers/protocol.js';
import { CHAT_TEXTS } from './chat-texts.js';
import { COMPLETION_TEXTS } from './completion-texts.js';
import { MESSAGE_TEXTS } from './message-texts.js';
import { RESPONSE_TEXTS } from './response-texts.js';
import type { TextFormat } from './text-format.js';

const FORMATS: Readonly<Partial<Record<Operation, TextFormat>>> = {
  chat: CHAT_TEXTS,
  completions: COMPLETION_TEXTS,
  messages: MESSAGE_TEXTS,
  responses: RESPONSE_TEXTS,
};

/** Where the texts of an operation's answers are; `undefined`: its JSON has no text of a model. */
export function textFormatOf(operation: Operation): TextFormat | undefined {
  return FORMATS[operation];
}

/** Why no hook can read the texts of an answer; `undefined`: it can, or there are none. */
export function unreadableTexts(forwarded: Forwarded | undefined): string | undefined {
  return forwarded === undefined || forwarded.answer === 'json'
    ? undefined
    : 'an answer of bytes, such as sound or a transcript, has no text that it can read';
}
