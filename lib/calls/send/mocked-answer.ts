import { randomUUID } from 'node:crypto';
import type { Fields } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { ProviderError, type ProviderFailureKind } from '../../common/provider-error.js';
import { NO_COST } from '../answer/answer-cost.js';
import type { CallFacts } from '../answer/call-facts.js';
import { LlmAnswer } from '../answer/llm-answer.js';
import type { Attempt } from '../attempt.js';
import { writtenAnswer } from '../hooks/hook-answer.js';
import type { WrittenStream } from '../hooks/written-stream.js';
import { LlmStream } from '../stream/llm-stream.js';
import type { AnswerGuards } from './answer-guards.js';
import type { Operation } from '../../providers/protocol.js';
import type { ApiCallRequest } from '../call-request.js';
import { isAsked, mockedFailure } from '../../providers/mock-fields.js';

const DEFAULT_TEXT = 'This is a mock request';
const STATUS: Readonly<Partial<Record<ProviderFailureKind, number>>> = {
  server: 500,
  rate_limit: 429,
  context_window: 400,
  content_policy: 400,
};
/** Mock texts for which LiteLLM returns an error. */
const ERRORS: readonly (readonly [text: RegExp, kind: ProviderFailureKind])[] = [
  [/^litellm\.RateLimitError$/, 'rate_limit'],
  [/^litellm\.ContextWindowExceededError$/, 'context_window'],
  [/^litellm\.InternalServerError$|^Exception: mock_streaming_error/, 'server'],
  [/^Exception: content_filter_policy/, 'content_policy'],
];

/**
 * Answers an attempt without its provider and without cost, if the body or the deployment has
 * LiteLLM's test fields; otherwise returns `undefined`.
 * @throws ProviderError for a mocked failure, which is not counted against the deployment
 */
export async function mockedAnswer(
  attempt: Attempt,
  request: ApiCallRequest,
  guards: AnswerGuards | undefined,
): Promise<LlmAnswer | LlmStream | undefined> {
  const answer = await writtenMock(attempt, request);
  if (answer === undefined) return undefined;
  const mock = guards === undefined ? answer : await guards.guardMock(answer);
  attempt.mocked();
  return mock instanceof LlmAnswer ? mock : new LlmStream(mock.call, mock);
}

async function writtenMock(attempt: Attempt, request: ApiCallRequest): Promise<LlmAnswer | WrittenStream | undefined> {
  const { call, selection } = attempt;
  const { operation } = request;
  const { params } = selection.deployment;
  const fields: Fields = { ...(isAsked(params.mock_response) && { mock_response: params.mock_response }), ...request.body };
  const failure = call.fallbacks === 0 ? mockedFailure(fields) : undefined;
  if (failure !== undefined) throw failed(attempt, failure);
  if (isAsked(fields.mock_timeout)) {
    await call.cancellation.wait(Math.min(attempt.times.wholeMs, attempt.times.firstChunkMs, call.leftMs, LONGEST_WAIT_MS));
    throw failed(attempt, 'timeout');
  }
  const { mock_response: response, mock_tool_calls: toolCalls, mock_delay: delay } = fields;
  if (!isAsked(response) && !isAsked(toolCalls)) return undefined;
  if (typeof delay === 'number' && delay > 0) await call.cancellation.wait(Math.min(delay * 1000, call.leftMs, LONGEST_WAIT_MS));
  const error = typeof response === 'string' ? ERRORS.find(([text]) => text.test(response)) : undefined;
  if (error !== undefined) throw failed(attempt, error[1]);
  try {
    const facts: CallFacts = { ...attempt.facts(), costUsd: 0, cost: NO_COST, isMocked: true };
    return writtenAnswer(given(fields, operation, request), operation, request, facts);
  } catch (thrown) {
    throw thrown instanceof InvalidArgumentError ? new InvalidArgumentError('mock_response', response, thrown.rule) : thrown;
  }
}

const LONGEST_WAIT_MS = 600_000;

/** Converts it to the form of a hook's answer. */
function given(
  { mock_response: response, mock_tool_calls: toolCalls }: Fields,
  operation: Operation,
  { stream, model }: ApiCallRequest,
): string | Fields {
  const text = typeof response === 'string' ? response : DEFAULT_TEXT;
  const usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  if (Array.isArray(response) && operation === 'embeddings')
    return { object: 'list', model, data: [{ object: 'embedding', index: 0, embedding: response as unknown[] }], usage };
  const isObject = typeof response === 'object' && response !== null;
  if (operation !== 'chat' || stream) return isObject ? (textIn(response) ?? (response as Fields)) : text;
  if (!isObject && !isAsked(toolCalls)) return text;
  const head = { id: `chatcmpl-${randomUUID()}`, object: 'chat.completion', created: Math.floor(Date.now() / 1000), model, usage };
  const message = { role: 'assistant', content: text, ...(isAsked(toolCalls) && { tool_calls: toolCalls }) };
  const choices = [{ index: 0, finish_reason: isAsked(toolCalls) ? 'tool_calls' : 'stop', message }];
  return { ...head, choices, ...(isObject && (response as Fields)) };
}

function textIn(response: object): string | undefined {
  const { choices } = response as { readonly choices?: readonly { readonly message?: { readonly content?: unknown } }[] };
  const content = Array.isArray(choices) ? (choices as { message?: { content?: unknown } }[])[0]?.message?.content : undefined;
  return typeof content === 'string' ? content : undefined;
}

function failed(attempt: Attempt, kind: ProviderFailureKind): ProviderError {
  attempt.isMocked = true;
  const { provider, selection } = attempt;
  const message = `This is a mock exception (${kind}): no provider was called.`;
  const status = STATUS[kind];
  return new ProviderError({ kind, message, provider, deploymentId: selection.deployment.id, ...(status !== undefined && { status }) });
}
