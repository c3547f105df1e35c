import type { ScriptedAnswer } from 'nestjs-fast-litellm/testing';
import { brokenStream, stoppable, usageInParts, type Answering } from './invoicing-provider.js';

/** How a call is made, answered and ended. */
interface Kind {
  /** Its part of all calls. */
  readonly weight: number;
  readonly model?: string;
  readonly path?: '/v1/chat/completions' | '/v1/messages' | '/v1/responses';
  readonly isStream?: boolean;
  /** The client leaves: so long after the beginning, or after the first chunk. */
  readonly leaves?: 'early' | 'after_first_chunk';
  readonly provider: (answering: Answering) => ScriptedAnswer;
}

/** Longer than the time limit of `hasty`, and than a client that leaves waits. */
const LATE_MS = 2_500;

/** The provider writes the answer to its end, and charges all of it. */
const whole =
  (how: (answering: Answering) => ScriptedAnswer = ({ text, usage }) => ({ text, usage })) =>
  (answering: Answering): ScriptedAnswer => {
    answering.charge(answering.usage.completionTokens);
    return how(answering);
  };

const completion = ({ text }: Answering, usage: object): ScriptedAnswer => ({
  body: {
    id: 'x',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-4o',
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
    usage,
  },
});

const late = whole(({ text, usage }) => ({ text, usage, delayMs: LATE_MS }));

/** Kinds of calls, and of their endings. */
export const KINDS = {
  whole_chat: { weight: 24, provider: whole() },
  whole_messages: { weight: 8, path: '/v1/messages', model: 'claude', provider: whole() },
  whole_responses: { weight: 8, path: '/v1/responses', provider: whole() },
  whole_gemini: { weight: 6, model: 'gemini', provider: whole() },
  whole_in_time: { weight: 4, model: 'hasty', provider: whole() },
  stream_chat: { weight: 16, isStream: true, provider: whole() },
  stream_messages: { weight: 6, path: '/v1/messages', model: 'claude', isStream: true, provider: whole() },
  stream_gemini: { weight: 4, model: 'gemini', isStream: true, provider: whole() },
  error_status: { weight: 6, provider: () => ({ status: 500 }) },
  client_left_whole: { weight: 2, leaves: 'early', provider: late },
  client_left_stream: { weight: 4, isStream: true, leaves: 'after_first_chunk', provider: stoppable },
  timed_out: { weight: 2, model: 'hasty', provider: late },
  truncated_answer: { weight: 2, provider: whole(({ text, usage }) => ({ text, usage, fault: 'length_too_long' })) },
  invalid_json: { weight: 2, provider: whole(({ text, usage }) => ({ text, usage, fault: 'length_too_short' })) },
  cut_in_text: { weight: 2, provider: whole(({ text, usage }) => ({ text, usage, fault: 'cut' })) },
  broken_stream: { weight: 2, isStream: true, provider: brokenStream },
  stream_without_end: { weight: 2, isStream: true, provider: whole(({ text, usage }) => ({ text, usage, fault: 'missing_end' })) },
  no_usage_whole: { weight: 2, provider: whole(({ text }) => ({ text, usage: null })) },
  no_usage_stream: { weight: 2, isStream: true, provider: whole(({ text }) => ({ text, usage: null })) },
  usage_completion_only: {
    weight: 2,
    provider: whole((answering) => completion(answering, { completion_tokens: answering.usage.completionTokens })),
  },
  usage_total_only: {
    weight: 2,
    provider: whole((answering) => {
      const { promptTokens, completionTokens } = answering.usage;
      return completion(answering, { total_tokens: promptTokens + completionTokens });
    }),
  },
  usage_in_two_events: { weight: 2, isStream: true, provider: whole(usageInParts) },
  redis_outage: { weight: 0, provider: whole(({ text, usage }) => ({ text, usage, delayMs: 20 })) },
  process_killed: { weight: 0, provider: whole(({ text, usage }) => ({ text, usage, delayMs: 5_000 })) },
} satisfies Record<string, Kind> as Readonly<Record<CallKind, Kind>>;

export type CallKind =
  | 'whole_chat'
  | 'whole_messages'
  | 'whole_responses'
  | 'whole_gemini'
  | 'whole_in_time'
  | 'stream_chat'
  | 'stream_messages'
  | 'stream_gemini'
  | 'error_status'
  | 'client_left_whole'
  | 'client_left_stream'
  | 'timed_out'
  | 'truncated_answer'
  | 'invalid_json'
  | 'cut_in_text'
  | 'broken_stream'
  | 'stream_without_end'
  | 'no_usage_whole'
  | 'no_usage_stream'
  | 'usage_completion_only'
  | 'usage_total_only'
  | 'usage_in_two_events'
  | 'redis_outage'
  | 'process_killed';
