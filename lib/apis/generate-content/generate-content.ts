import type { Bridge } from '../bridge.js';
import { GENERATE_CONTENT_FIELDS, rejectFields } from '../client-fields.js';
import { answerContext, contentAnswerOf } from './answer.js';
import { chatRequest } from './request.js';
import { ContentEvents } from './stream.js';

/** Google's `:generateContent` and `:streamGenerateContent`. */
export const GENERATE_CONTENT_BRIDGE: Bridge = {
  // Clients set it for Gemini, even if they request another model.
  hints: new Set(['reasoning_effort']),
  request(body, sent) {
    rejectFields(body, GENERATE_CONTENT_FIELDS, sent);
    return chatRequest(body, sent.provider);
  },
  answer(body) {
    const context = answerContext(body);
    const events = new ContentEvents(context);
    return {
      whole: (chat) => Buffer.from(JSON.stringify(contentAnswerOf(chat, context))),
      events: (chat) => events.events(chat),
      end: () => events.end(),
      error: (error, status) => events.error(error, status),
    };
  },
};
