import type { LlmAnswer } from '../answer/llm-answer.js';
import type { Attempt } from '../attempt.js';
import type { WrittenStream } from '../hooks/written-stream.js';
import type { ProviderExchange } from './provider-exchange.js';
import type { ReadStream } from './provider-stream.js';

/** Passes answers through the hooks of a call. */
export interface AnswerGuards {
  guardWhole(answer: LlmAnswer): Promise<LlmAnswer>;
  /** A mocked text is checked like any other. */
  guardMock(mock: LlmAnswer | WrittenStream): Promise<LlmAnswer | WrittenStream>;
  guardStream(attempt: Attempt, exchange: ProviderExchange, read: ReadStream): ReadStream;
}
