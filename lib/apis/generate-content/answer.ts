import { type Fields, fieldsOf, listOf, numberIn, objectIn, stringIn } from '../../common/objects.js';
import { splitCallId } from '../../providers/gemini/content-types.js';
import type { ModelRequest } from '../../providers/model-request.js';
import type { ThinkingBlock } from '../../providers/openai/chat-types.js';
import { completionIn, textOf } from '../chat-answers.js';
import { signatureOf } from './signatures.js';

/** Fields of a request that its answer needs. */
export interface AnswerContext {
  readonly model: string;
}

export function answerContext({ model }: ModelRequest): AnswerContext {
  return { model };
}

/** A part of a candidate's content: `text`, `functionCall`, `inlineData`. */
export type Part = Readonly<Record<string, unknown>>;

/** A chat completion as Google's answer. @throws Error for anything but a chat completion */
export function contentAnswerOf(chat: Buffer, context: AnswerContext): object {
  const completion = completionIn(chat);
  const candidates = listOf(completion.choices).map((choice, at) => candidateOf(fieldsOf(choice), at));
  return { candidates, usageMetadata: usageOf(completion.usage), ...answerHead(completion, context) };
}

/** The fields that every event has, too. */
export function answerHead({ id, model }: Fields, context: AnswerContext): Fields {
  return { modelVersion: stringIn(model) || context.model, ...(stringIn(id) !== '' && { responseId: id }) };
}

function candidateOf(choice: Fields, at: number): object {
  const message = fieldsOf(choice.message);
  const calls = listOf(message.tool_calls).map((call) => callPart(fieldsOf(call)));
  const refusal = stringIn(message.refusal);
  const parts = [
    ...thoughtParts(message),
    ...[textOf(message.content), refusal].filter((text) => text !== '').map((text) => ({ text })),
    ...mediaParts(message),
    ...calls.filter((part) => part !== undefined),
  ];
  const ending = { finish: choice.finish_reason, hasCalls: calls.length > 0, isRefused: refusal !== '' };
  return { content: { parts, role: 'model' }, finishReason: finishOf(ending), index: numberIn(choice.index ?? at) };
}

/** Thoughts: signed blocks as parts of their own, else the text. */
export function thoughtParts({ thinking_blocks: blocks, reasoning_content: text, reasoning }: Fields): readonly Part[] {
  const signed = listOf(blocks).map((block) => fieldsOf(block) as unknown as ThinkingBlock);
  if (signed.length > 0) return signed.map(thoughtPart);
  const thought = textOf(text) || textOf(reasoning);
  return thought === '' ? [] : [{ text: thought, thought: true }];
}

/** A thinking block, or the part that a chunk adds. */
export function thoughtPart(block: ThinkingBlock): Part {
  const signature = signatureOf(block);
  return { text: block.thinking ?? '', thought: true, ...(signature !== undefined && { thoughtSignature: signature }) };
}

/** Pictures, and sound, of a message or a delta. */
export function mediaParts({ images, audio }: Fields): readonly Part[] {
  const pictures = listOf(images).flatMap((image) => inlinePart(stringIn(fieldsOf(fieldsOf(image).image_url).url)));
  const { data } = fieldsOf(audio);
  return typeof data === 'string' && data !== '' ? [...pictures, { inlineData: { mimeType: 'audio/wav', data } }] : pictures;
}

/** More of a URL is its data. */
const LONGEST_HEAD = 256;
const DATA_URL = /^data:([^;,]{1,100});base64,/;

function inlinePart(url: string): readonly Part[] {
  const [head, mimeType] = DATA_URL.exec(url.slice(0, LONGEST_HEAD)) ?? [];
  if (head === undefined) return url === '' ? [] : [{ fileData: { fileUri: url } }];
  return [{ inlineData: { mimeType, data: url.slice(head.length) } }];
}

/** A call; `undefined`: it names no function. Arguments that are cut, or no object, are empty. */
export function callPart(call: Fields): Part | undefined {
  const called = fieldsOf(call.function);
  const name = stringIn(called.name);
  if (name === '') return undefined;
  const { id, signature } = splitCallId(stringIn(call.id));
  const given = called.arguments;
  const args = typeof given === 'string' ? (objectIn(given) ?? {}) : fieldsOf(given);
  return { functionCall: { ...(id !== '' && { id }), name, args }, ...(signature !== undefined && { thoughtSignature: signature }) };
}

/** How a choice of a chat ended. */
export interface ChatEnding {
  readonly finish: unknown;
  readonly hasCalls: boolean;
  readonly isRefused: boolean;
}

/** Google's reason. It has none for calls. */
export function finishOf({ finish, hasCalls, isRefused }: ChatEnding): string {
  if (finish === 'length') return 'MAX_TOKENS';
  return finish === 'content_filter' || (isRefused && !hasCalls) ? 'SAFETY' : 'STOP';
}

/** Google's usage. Its figure of the candidates has no thoughts in it. */
export function usageOf(usage: unknown): Fields {
  const fields = fieldsOf(usage);
  const prompt = numberIn(fields.prompt_tokens);
  const completion = numberIn(fields.completion_tokens);
  const cached = numberIn(fieldsOf(fields.prompt_tokens_details).cached_tokens) || numberIn(fields.cache_read_input_tokens);
  const thoughts = Math.min(numberIn(fieldsOf(fields.completion_tokens_details).reasoning_tokens), completion);
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: completion - thoughts,
    totalTokenCount: Math.max(numberIn(fields.total_tokens), prompt + completion),
    ...(cached > 0 && { cachedContentTokenCount: cached }),
    ...(thoughts > 0 && { thoughtsTokenCount: thoughts }),
  };
}
