import type { Reply, ReplyUsage } from './protocols/wire-protocol.js';
import type { ReceivedRequest } from './received-request.js';
import type { ScriptedAnswer, ScriptedUsage } from './script.js';

const CHARACTERS_PER_TOKEN = 4;

/** Additions of a provider to a scripted answer. */
export interface ReplyContext {
  readonly name: string;
  readonly nextId: () => number;
}

/** The scripted answer with its defaults. */
export function replyTo(request: ReceivedRequest, answer: ScriptedAnswer, { name, nextId }: ReplyContext): Reply {
  const { toolCalls = [], refusal, thinking, embeddings, chunkLength } = answer;
  const isSilent = toolCalls.length > 0 || refusal !== undefined;
  const text = answer.text ?? (isSilent ? undefined : `Hello from ${name}.`);
  const calls = toolCalls.map(({ id, name: called, arguments: given = {} }) => ({
    id,
    name: called,
    json: typeof given === 'string' ? given : JSON.stringify(given),
  }));
  const written = [thinking, text, refusal, ...calls.map(({ json }) => json)].join('');
  const byDefault = refusal !== undefined ? 'content_filter' : calls.length > 0 ? 'tool_calls' : 'stop';
  return {
    text,
    thinking,
    refusal,
    calls,
    finish: answer.finishReason ?? byDefault,
    usage: answer.usage === null ? undefined : usageOf(answer.usage ?? {}, request, written),
    embeddings,
    pieces: (each) => piecesOf(each, chunkLength),
    nextId,
  };
}

function usageOf(given: ScriptedUsage, request: ReceivedRequest, written: string): ReplyUsage {
  const body = request.promptFields;
  const prompt = JSON.stringify([body.system, body.messages ?? body.contents ?? body.input ?? body.prompt]);
  return {
    promptTokens: given.promptTokens ?? tokensIn(prompt),
    completionTokens: given.completionTokens ?? tokensIn(written),
    cacheReadTokens: given.cacheReadTokens ?? 0,
    cacheWriteTokens: given.cacheWriteTokens ?? 0,
    reasoningTokens: given.reasoningTokens ?? 0,
  };
}

function tokensIn(text: string): number {
  return Math.max(1, Math.ceil(text.length / CHARACTERS_PER_TOKEN));
}

/** Words with the space after them, or pieces of `length` characters. */
function piecesOf(text: string, length: number | undefined): string[] {
  if (text === '') return [];
  if (length === undefined) return text.split(/(?<=\s)/);
  const characters = Array.from(text);
  const count = Math.ceil(characters.length / length);
  return Array.from({ length: count }, (_, at) => characters.slice(at * length, (at + 1) * length).join(''));
}
