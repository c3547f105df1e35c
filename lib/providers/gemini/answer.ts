import { randomUUID } from 'node:crypto';
import { type Fields, fieldsOf, listOf, nonEmptyString } from '../../common/objects.js';
import type { FinishReason } from '../openai/chat-chunks.js';
import { isMistake, mistakeError } from '../malformed-tool-call.js';
import { idWithSignature } from './content-types.js';
import { replaceFigures, usageOf } from './usage.js';

/** Any other reason counts as `stop`. */
const FINISH_REASONS: ReadonlyMap<string, FinishReason> = new Map([
  ['MAX_TOKENS', 'length'],
  ['CONTINUATION', 'length'],
  ...['SAFETY', 'RECITATION', 'LANGUAGE', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'SPII', 'OTHER', 'ESCALATION', 'NO_IMAGE'].map(
    (reason) => [reason, 'content_filter'] as const,
  ),
]);
const OF_IMAGES = /^IMAGE_/;

/** Settings for reading an answer. */
export interface AnswerContext {
  readonly model: string;
  /** Whether a stream ends with its usage. */
  readonly includesUsage: boolean;
  /** Whether to drop calls after the first. */
  readonly hasOneCall: boolean;
}

/** One candidate of an answer, whole or event by event. */
export class Candidate {
  private calls = 0;
  private images = 0;
  private reason: string | undefined = undefined;
  private hasContent = false;

  constructor(private readonly hasOneCall: boolean) {}

  get isFinished(): boolean {
    return this.reason !== undefined;
  }

  /** Ended without any content but thoughts, by a mistake of the model. */
  get wentAstray(): string | undefined {
    return !this.hasContent && isMistake(this.reason) ? this.reason : undefined;
  }

  /** `tool_calls` if any event had a call: Gemini says `STOP` for both. */
  get finish(): FinishReason {
    const reason = this.reason ?? '';
    if (isMistake(reason)) return 'length';
    const finish = OF_IMAGES.test(reason) ? 'content_filter' : (FINISH_REASONS.get(reason) ?? 'stop');
    return finish === 'stop' && this.calls > 0 ? 'tool_calls' : finish;
  }

  /** Returns the event as an OpenAI delta; `undefined` if it adds nothing. */
  read(event: Fields): Record<string, unknown> | undefined {
    this.reason = nonEmptyString(event.finishReason) ?? this.reason;
    const found = new Found();
    for (const part of listOf(fieldsOf(event.content).parts)) this.readPart(fieldsOf(part), found);
    const delta = found.delta(event.groundingMetadata);
    this.hasContent ||= found.hasContent;
    return delta;
  }

  private readPart(part: Fields, found: Found): void {
    const { text, functionCall, inlineData, executableCode, codeExecutionResult } = part;
    const signature = nonEmptyString(part.thoughtSignature);
    if (functionCall !== undefined) {
      if (this.hasOneCall && this.calls > 0) return;
      found.calls.push(callOf(fieldsOf(functionCall), signature, this.calls++));
      return;
    }
    if (signature !== undefined) found.signatures.push(signature);
    if (typeof text === 'string') found.add(text, part.thought === true);
    if (executableCode !== undefined) found.add(codeBlock(fieldsOf(executableCode)), false);
    if (codeExecutionResult !== undefined) found.add(codeBlock({ code: fieldsOf(codeExecutionResult).output }), false);
    if (inlineData !== undefined) this.readMedia(fieldsOf(inlineData), part.thought === true, found);
  }

  private readMedia({ mimeType, data }: Fields, isThought: boolean, found: Found): void {
    if (typeof mimeType !== 'string' || typeof data !== 'string') return;
    if (mimeType.startsWith('audio/')) found.audio = { data, transcript: '' };
    else if (!mimeType.startsWith('image/')) found.add(`data:${mimeType};base64,${data}`, isThought);
    else if (!isThought) {
      found.images.push({ type: 'image_url', index: this.images++, image_url: { url: `data:${mimeType};base64,${data}`, detail: 'auto' } });
    }
  }
}

/** The contents of one event of a candidate. */
class Found {
  readonly calls: object[] = [];
  readonly images: object[] = [];
  readonly signatures: string[] = [];
  audio: object | undefined = undefined;
  private text = '';
  private thoughts = '';

  add(text: string, isThought: boolean): void {
    if (isThought) this.thoughts += text;
    else this.text += text;
  }

  /** Anything but thoughts. */
  get hasContent(): boolean {
    return this.text !== '' || this.calls.length + this.images.length > 0 || this.audio !== undefined;
  }

  delta(grounding: unknown): Record<string, unknown> | undefined {
    const { text, thoughts, calls, images, signatures, audio } = this;
    const delta: Record<string, unknown> = {};
    if (text !== '') delta.content = text;
    if (thoughts !== '') delta.reasoning_content = thoughts;
    if (calls.length > 0) delta.tool_calls = calls;
    if (images.length > 0) delta.images = images;
    if (audio !== undefined) delta.audio = audio;
    const more = {
      ...(signatures.length > 0 && { thought_signatures: signatures }),
      ...(typeof grounding === 'object' && grounding !== null && { grounding_metadata: grounding }),
    };
    if (Object.keys(more).length > 0) delta.provider_specific_fields = more;
    return Object.keys(delta).length === 0 ? undefined : delta;
  }
}

/** Code that Google has run, or its output, as a Markdown block: chat has no such part. */
function codeBlock({ language, code }: Fields): string {
  const text = typeof code === 'string' ? code : '';
  if (text.trim() === '') return '';
  const fence = '`'.repeat(Math.max(...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length + 1), 3));
  return `\n\n${fence}${typeof language === 'string' ? language.toLowerCase() : ''}\n${text.replace(/\n$/, '')}\n${fence}\n\n`;
}

/** Calls arrive whole. Gemini 3 gives them ids, which it wants back. */
function callOf({ id, name, args }: Fields, signature: string | undefined, index: number): object {
  const own = nonEmptyString(id) ?? `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`;
  return {
    index,
    id: idWithSignature(own, signature),
    type: 'function',
    function: { name: nonEmptyString(name) ?? '', arguments: JSON.stringify(args ?? {}) },
    ...(signature !== undefined && { provider_specific_fields: { thought_signature: signature } }),
  };
}

/** A whole answer as a chat completion. @throws Error for one without candidates */
export function chatCompletionOf(answer: Fields, { model, hasOneCall }: AnswerContext): object {
  const read = listOf(answer.candidates).map((candidate) => choiceOf(fieldsOf(candidate), hasOneCall));
  const isBlocked = nonEmptyString(fieldsOf(answer.promptFeedback).blockReason) !== undefined;
  if (read.length === 0 && !isBlocked) throw new Error('the response has no candidates');
  const astray = astrayIn(read.map(({ candidate }) => candidate));
  if (astray !== undefined) return astray;
  const blocked = { index: 0, message: { role: 'assistant', content: null }, finish_reason: 'content_filter' };
  const usage = usageOf(replaceFigures({}, fieldsOf(answer.usageMetadata)), answer.candidates);
  return {
    id: nonEmptyString(answer.responseId) ?? newAnswerId(),
    object: 'chat.completion',
    created: Math.floor(Date.now() / 1000),
    model: nonEmptyString(answer.modelVersion) ?? model,
    choices: read.length === 0 ? [blocked] : read.map(({ choice }, at) => ({ index: at, ...choice })),
    ...(usage !== undefined && { usage }),
  };
}

function choiceOf(event: Fields, hasOneCall: boolean): { readonly candidate: Candidate; readonly choice: object } {
  const candidate = new Candidate(hasOneCall);
  const { tool_calls: calls, ...delta } = candidate.read(event) ?? {};
  const message = {
    role: 'assistant',
    content: null,
    ...delta,
    ...(calls !== undefined && {
      tool_calls: listOf(calls)
        .map(fieldsOf)
        .map(({ index: _, ...call }) => call),
    }),
  };
  const logprobs = logprobsOf(event.logprobsResult);
  const index = indexOf(event);
  return {
    candidate,
    choice: {
      ...(index !== undefined && { index }),
      message,
      finish_reason: candidate.finish,
      ...(logprobs !== undefined && { logprobs }),
    },
  };
}

export function newAnswerId(): string {
  return `chatcmpl-${randomUUID()}`;
}

/** Gemini leaves the first index out. */
export function indexOf({ index }: Fields): number | undefined {
  return typeof index === 'number' && Number.isSafeInteger(index) && index >= 0 ? index : undefined;
}

/** The error instead of an answer of which nothing but the model's mistake came. */
export function astrayIn(candidates: readonly Candidate[]): { readonly error: object } | undefined {
  const reasons = candidates.map(({ wentAstray }) => wentAstray);
  const [first] = reasons;
  return first === undefined || reasons.includes(undefined) ? undefined : mistakeError(first);
}

/** Google's log probabilities in OpenAI's format. */
export function logprobsOf(result: unknown): { readonly content: readonly object[] } | undefined {
  const { chosenCandidates, topCandidates } = fieldsOf(result);
  if (!Array.isArray(chosenCandidates)) return undefined;
  const tops = listOf(topCandidates);
  const content = chosenCandidates.map((chosen, at) => ({
    ...tokenOf(chosen),
    top_logprobs: listOf(fieldsOf(tops[at]).candidates).map(tokenOf),
  }));
  return { content };
}

function tokenOf(value: unknown): object {
  const { token, logProbability } = fieldsOf(value);
  return { token: typeof token === 'string' ? token : '', logprob: logProbability ?? 0, bytes: null };
}
