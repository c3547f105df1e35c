import type { Bridge } from '../bridge.js';
import { answerContext, messageOf } from './answer.js';
import { chatRequest } from './request.js';
import { MessageEvents } from './stream.js';

/** Anthropic's Messages API. */
export const MESSAGES_BRIDGE: Bridge = {
  // Claude Code asks each model to think; the AI SDK asks for one call at a time.
  hints: new Set(['reasoning_effort', 'parallel_tool_calls']),
  request: (body, { provider }) => chatRequest(body, provider),
  answer(body) {
    const context = answerContext(body);
    const events = new MessageEvents(context);
    return {
      whole: (chat) => Buffer.from(JSON.stringify(messageOf(chat, context))),
      chunk: (bytes) => events.chunk(bytes),
      end: () => events.end(),
      ping: () => events.ping(),
      error: (error, status) => events.error(error, status),
    };
  },
};
