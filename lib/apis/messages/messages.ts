import type { Bridge } from '../bridge.js';
import { refuseThread } from '../../providers/anthropic/threads.js';
import { MESSAGES_FIELDS, rejectFields } from '../client-fields.js';
import { answerContext, messageOf } from './answer.js';
import { chatRequest } from './request.js';
import { MessageEvents } from './stream.js';

/** Anthropic's Messages API. */
export const MESSAGES_BRIDGE: Bridge = {
  // Claude Code requests thinking from every model; the AI SDK requests one call at a time.
  hints: new Set(['reasoning_effort', 'parallel_tool_calls']),
  request(body, sent) {
    refuseThread(body.thread, sent.provider);
    rejectFields(body, MESSAGES_FIELDS, sent);
    return chatRequest(body, sent.provider);
  },
  answer(body) {
    const context = answerContext(body);
    const events = new MessageEvents(context);
    return {
      whole: (chat) => Buffer.from(JSON.stringify(messageOf(chat, context))),
      events: (chat) => events.events(chat),
      end: () => events.end(),
      ping: () => events.ping(),
      error: (error, status) => events.error(error, status),
    };
  },
};
