import { type Fields, fieldsOf, listOf, numberIn, stringIn } from '../../common/objects.js';
import type { ModelRequest } from '../../providers/model-request.js';
import { textOf } from '../chat-answers.js';
import type { ThinkingBlock } from '../../providers/openai/chat-types.js';
import {
  functionCallItem,
  messageItem,
  reasoningItem,
  ResponseIds,
  textPart,
  type FunctionCallItem,
  type ItemStatus,
  type MessagePart,
  type OutputItem,
} from '../../providers/openai/responses/items.js';
import { namespacedFunctions, type CalledFunction } from './namespaces.js';

/** How a response ended, and why if it is not complete. */
export interface ResponseEnd {
  readonly status: 'completed' | 'incomplete';
  readonly reason?: 'max_output_tokens' | 'content_filter';
}

const ENDS: Readonly<Record<string, ResponseEnd>> = {
  length: { status: 'incomplete', reason: 'max_output_tokens' },
  content_filter: { status: 'incomplete', reason: 'content_filter' },
};

export function endOf(finishReason: unknown): ResponseEnd {
  return ENDS[String(finishReason)] ?? { status: 'completed' };
}

/** The fields of one response that are known before its answer. */
export class ResponseFrame {
  readonly ids = new ResponseIds();
  private readonly createdAt = Math.floor(Date.now() / 1000);

  private functions: ReadonlyMap<string, CalledFunction> | undefined = undefined;

  constructor(private readonly body: ModelRequest) {}

  /** A function, by the client's names for it. */
  called(name: string): CalledFunction {
    this.functions ??= namespacedFunctions(this.body.tools);
    return this.functions.get(name) ?? { name };
  }

  get isStored(): boolean {
    return this.body.store !== false;
  }

  /** The whole response object, its fields in OpenAI's order. */
  with(facts: {
    readonly status: 'in_progress' | 'completed' | 'incomplete';
    readonly reason?: string;
    readonly model?: unknown;
    readonly output?: readonly OutputItem[];
    readonly usage?: unknown;
  }): object {
    const { body, ids, createdAt } = this;
    const { status, reason, model, output = [], usage } = facts;
    return {
      id: ids.response,
      object: 'response',
      created_at: createdAt,
      status,
      background: false,
      error: null,
      incomplete_details: reason === undefined ? null : { reason },
      instructions: body.instructions ?? null,
      max_output_tokens: body.max_output_tokens ?? null,
      model: typeof model === 'string' && model !== '' ? model : body.model,
      output,
      parallel_tool_calls: body.parallel_tool_calls ?? true,
      previous_response_id: null,
      reasoning: { effort: null, summary: null, ...(body.reasoning as object | null | undefined) },
      store: this.isStored,
      temperature: body.temperature ?? null,
      text: { format: { type: 'text' }, ...(body.text as object | null | undefined) },
      tool_choice: body.tool_choice ?? 'auto',
      tools: body.tools ?? [],
      top_p: body.top_p ?? null,
      truncation: body.truncation ?? 'disabled',
      usage: responsesUsageOf(usage) ?? null,
      user: body.user ?? null,
      metadata: body.metadata ?? {},
    };
  }
}

/** A whole chat completion as a response. @throws SyntaxError for no JSON object */
export function responseOf(chat: Fields, frame: ResponseFrame): { readonly response: object; readonly output: readonly OutputItem[] } {
  const choice = fieldsOf(Array.isArray(chat.choices) ? chat.choices[0] : undefined);
  const message = fieldsOf(choice.message);
  const end = endOf(choice.finish_reason);
  const items: ((id: string, status: ItemStatus) => OutputItem)[] = [];
  const reasoning = thoughtIn(message);
  const blocks = blocksIn(message);
  if (reasoning !== '' || blocks.length > 0) items.push((id) => reasoningItem(id, reasoning, blocks));
  const parts = partsOf(message, fieldsOf(choice.logprobs));
  if (parts.length > 0) items.push((id, status) => messageItem(id, status, parts));
  for (const call of callsIn(message, frame)) items.push((id, status) => functionCallItem(id, status, call));
  const output = items.map((item, index) => {
    const isCut = end.status === 'incomplete' && index === items.length - 1;
    const { type } = item('', 'completed');
    return item(frame.ids.item(type, index), isCut ? 'incomplete' : 'completed');
  });
  return { response: frame.with({ ...end, model: chat.model, output, usage: chat.usage }), output };
}

function partsOf(message: Fields, logprobs: Fields): readonly MessagePart[] {
  const parts: MessagePart[] = [];
  const text = textOf(message.content);
  if (text !== '') parts.push({ ...textPart(text, listOf(logprobs.content)), annotations: annotationsIn(message.annotations) });
  if (typeof message.refusal === 'string' && message.refusal !== '') parts.push({ type: 'refusal', refusal: message.refusal });
  return parts;
}

/** Chat nests what Responses has flat. */
function annotationsIn(annotations: unknown): readonly object[] {
  return listOf(annotations)
    .map((each) => fieldsOf(fieldsOf(each).url_citation))
    .filter(({ url }) => typeof url === 'string')
    .map(({ url, title, start_index: from, end_index: to }) => ({
      type: 'url_citation',
      start_index: typeof from === 'number' ? from : 0,
      end_index: typeof to === 'number' ? to : 0,
      url,
      title: typeof title === 'string' ? title : '',
    }));
}

function callsIn(
  { tool_calls: calls }: Fields,
  frame: ResponseFrame,
): readonly Pick<FunctionCallItem, 'call_id' | 'name' | 'namespace' | 'arguments'>[] {
  return listOf(calls).map((call, index) => {
    const { id, function: called } = fieldsOf(call);
    const { name, arguments: input } = fieldsOf(called);
    return {
      call_id: typeof id === 'string' && id !== '' ? id : `call_${index}`,
      ...frame.called(stringIn(name)),
      arguments: argumentsOf(input),
    };
  });
}

/** Some servers answer with an object. */
export function argumentsOf(input: unknown): string {
  if (typeof input === 'string') return input;
  return input === undefined || input === null ? '' : JSON.stringify(input);
}

/** DeepSeek's name and OpenRouter's for the text of the model's thinking. */
export function thoughtIn({ reasoning_content: content, reasoning }: Fields): string {
  return typeof content === 'string' ? content : typeof reasoning === 'string' ? reasoning : '';
}

export function blocksIn({ thinking_blocks: blocks }: Fields): readonly ThinkingBlock[] {
  return listOf(blocks).filter((block): block is ThinkingBlock => typeof fieldsOf(block).type === 'string');
}

/** Chat's usage by the names of Responses. */
function responsesUsageOf(usage: unknown): object | undefined {
  const { prompt_tokens: input, completion_tokens: output, total_tokens: total, ...others } = fieldsOf(usage);
  const details = fieldsOf(others.prompt_tokens_details);
  const written = numberIn(details.cache_creation_tokens) || numberIn(others.cache_creation_input_tokens);
  if (typeof input !== 'number' && typeof output !== 'number') return undefined;
  const [inputTokens, outputTokens] = [numberIn(input), numberIn(output)];
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: numberIn(details.cached_tokens), cache_write_tokens: written },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: numberIn(fieldsOf(others.completion_tokens_details).reasoning_tokens) },
    total_tokens: typeof total === 'number' ? total : inputTokens + outputTokens,
  };
}
