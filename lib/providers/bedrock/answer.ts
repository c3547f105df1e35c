import { type Fields, isObject, stringIn } from '../../common/objects.js';
import { FINISH_REASONS } from '../anthropic/answer.js';
import { randomUUID } from 'node:crypto';
import { append } from '../../common/collections.js';
import type { FinishReason } from '../openai/chat-chunks.js';
import type { ThinkingBlock } from '../openai/chat-types.js';
import { isMistake, mistakeError } from '../malformed-tool-call.js';
import { errorIn, hasError, statusOf } from './errors.js';
import { unwrapped } from './messages.js';
import type { ToolNames } from './tool-names.js';
import { JSON_TOOL } from './tools.js';
import { usageOf } from './usage.js';

/** Settings for reading an answer. */
export interface AnswerContext {
  readonly model: string;
  readonly names: ToolNames;
  /** Whether the structured output is the input of a tool. */
  readonly hasJsonTool: boolean;
  /** Whether to drop calls after the first: most models cannot be limited to one. */
  readonly hasOneCall: boolean;
  readonly includesUsage: boolean;
}

const REASONS: Readonly<Record<string, FinishReason>> = {
  ...FINISH_REASONS,
  guardrail_intervened: 'content_filter',
  content_filtered: 'content_filter',
};

/** @param hasCalls whether the answer has calls of the client's tools */
export function finishOf(stopReason: unknown, hasCalls: boolean): FinishReason {
  if (isMistake(stopReason)) return 'length';
  const known = typeof stopReason === 'string' && Object.hasOwn(REASONS, stopReason) ? REASONS[stopReason] : 'stop';
  if (known === 'stop' && hasCalls) return 'tool_calls';
  // The structured output was the only call.
  return known === 'tool_calls' && !hasCalls ? 'stop' : known;
}

/** A new id of an answer: the service gives none. */
export function answerId(): string {
  return `chatcmpl-${randomUUID()}`;
}

/** Thinking that only Claude can read, as Anthropic has it. */
export function redactedBlock(content: string): ThinkingBlock {
  return { type: 'redacted_thinking', data: unwrapped(content) };
}

/** Translates a whole answer. @throws Error if it is not an answer */
export function wholeAnswer(answer: Buffer, context: AnswerContext): Buffer {
  const { model } = context;
  const json = answer.toString('utf8');
  const exception = exceptionIn(json);
  if (exception !== undefined) return exception;
  const parsed: unknown = JSON.parse(json);
  const content = fieldAt(parsed, 'output', 'message', 'content');
  if (!isObject(parsed) || !Array.isArray(content)) throw new SyntaxError('the response has no output.message.content');
  const parts = new AnswerParts(context);
  for (const block of content as readonly unknown[]) if (isObject(block)) parts.add(block);
  const message = parts.message();
  if (isMistake(parsed.stopReason) && !parts.hasContent) return Buffer.from(JSON.stringify(mistakeError(parsed.stopReason)));
  const usage = usageOf(parsed.usage, parsed.additionalModelResponseFields);
  const tier = fieldAt(parsed.serviceTier, 'type');
  return Buffer.from(
    JSON.stringify({
      id: answerId(),
      object: 'chat.completion',
      created: Math.floor(Date.now() / 1000),
      model,
      choices: [{ index: 0, message, logprobs: null, finish_reason: finishOf(parsed.stopReason, message.tool_calls !== undefined) }],
      ...(usage && { usage }),
      ...(typeof tier === 'string' && { service_tier: tier }),
      ...(isObject(parsed.trace) && { trace: parsed.trace }),
    }),
  );
}

/** The blocks of a whole answer. */
class AnswerParts {
  private text = '';
  private reasoning = '';
  private json: string | undefined = undefined;
  private readonly thinking: ThinkingBlock[] = [];
  private readonly calls: object[] = [];
  private readonly citations: unknown[] = [];

  constructor(private readonly context: AnswerContext) {}

  add({ text, toolUse, reasoningContent, citationsContent }: Fields): void {
    if (typeof text === 'string') this.text += text;
    else if (isObject(toolUse)) this.addCall(toolUse);
    else if (isObject(reasoningContent)) this.addReasoning(reasoningContent);
    else if (isObject(citationsContent)) this.addCited(citationsContent);
  }

  /** Anything but thoughts. */
  get hasContent(): boolean {
    return (this.json ?? this.text) !== '' || this.calls.length > 0;
  }

  message(): Fields {
    const { text, json, reasoning, thinking, calls, citations } = this;
    const content = json ?? text;
    return {
      role: 'assistant',
      content: content === '' && calls.length > 0 ? null : content,
      refusal: null,
      ...(reasoning !== '' && { reasoning_content: reasoning }),
      ...(thinking.length > 0 && { thinking_blocks: thinking }),
      ...(calls.length > 0 && { tool_calls: calls }),
      ...(citations.length > 0 && { provider_specific_fields: { citations } }),
    };
  }

  private addCall({ toolUseId: id, name, input, type }: Fields): void {
    // The service has called its own tool.
    if (type === 'server_tool_use') return;
    if (typeof id !== 'string' || typeof name !== 'string') throw new SyntaxError('toolUse must have a toolUseId and a name');
    const written = JSON.stringify(input ?? {});
    const { hasJsonTool, hasOneCall, names } = this.context;
    if (hasJsonTool && name === JSON_TOOL) this.json ??= written;
    else if (!hasOneCall || this.calls.length === 0)
      this.calls.push({ id, type: 'function', function: { name: names.original(name), arguments: written } });
  }

  private addReasoning({ reasoningText, redactedContent }: Fields): void {
    if (typeof redactedContent === 'string') this.thinking.push(redactedBlock(redactedContent));
    if (!isObject(reasoningText)) return;
    const { text, signature } = reasoningText;
    const thinking = stringIn(text);
    if (thinking === '' && typeof signature !== 'string') return;
    this.reasoning += thinking;
    this.thinking.push({ type: 'thinking', thinking, ...(typeof signature === 'string' && { signature }) });
  }

  private addCited({ content, citations }: Fields): void {
    if (Array.isArray(content)) for (const part of content as readonly unknown[]) this.text += stringIn(fieldAt(part, 'text'));
    if (Array.isArray(citations)) append(this.citations, citations as readonly unknown[]);
  }
}

/** An exception instead of an answer, in OpenAI's format; `undefined` if there is none. */
export function exceptionIn(json: string): Buffer | undefined {
  if (!hasError(json)) return undefined;
  const { message = 'The provider answered with an exception.', type } = errorIn(json);
  const code = type === undefined || type === null ? null : String(statusOf(type));
  return Buffer.from(JSON.stringify({ error: { message, type: type ?? null, code } }));
}

export function fieldAt(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((at, name) => (isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined), value);
}
