import { type Fields, jsonIn } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import type { ChatMessage, ChatPart, ChatTool, ChatToolCall, ChatToolChoice } from '../../providers/openai/chat-types.js';
import { inlineDataIn } from '../../providers/data-url.js';
import type { ModelCallOptions, PromptMessage, PromptPart, ToolOutput } from '../specification.js';
import type { ReadLanguageModel } from './sdk-models.js';

/** The parameters of OpenAI's chat that become options of a model. */
export const TRANSLATED: ReadonlySet<string> = new Set(
  `model messages max_tokens max_completion_tokens temperature top_p stop seed presence_penalty frequency_penalty response_format tools tool_choice
  reasoning_effort stream`.split(/\s+/),
);
/** They change no answer. */
export const IGNORED: ReadonlySet<string> = new Set(['user', 'stream_options', 'metadata', 'store', 'parallel_tool_calls', 'service_tier']);

/** Where a model's own data travel in messages of OpenAI's chat. */
export const OWN_FIELD = 'ai_sdk';

/** The fields of a request that are read here, all unchecked. */
interface ChatBody extends Fields {
  readonly messages?: readonly ChatMessage[];
  readonly tools?: readonly ChatTool[];
  readonly tool_choice?: ChatToolChoice;
  readonly response_format?: { readonly type?: string; readonly json_schema?: Fields };
}

/** Puts a body of OpenAI's chat into the options of a model. */
export function modelOptions(chat: Fields, model: ReadLanguageModel, abortSignal: AbortSignal): ModelCallOptions {
  const body = chat as ChatBody;
  const { stop, reasoning_effort: effort, provider_options: given } = body;
  const isV4 = model.specificationVersion === 'v4';
  // Before version 4, each provider has its own option, mostly with this name.
  const own = isV4 || effort === undefined ? undefined : { [model.provider.split('.', 1)[0]]: { reasoningEffort: effort } };
  return {
    prompt: new PromptReader(isV4).read(body.messages ?? []),
    maxOutputTokens: number(body.max_completion_tokens ?? body.max_tokens),
    temperature: number(body.temperature),
    topP: number(body.top_p),
    topK: number(body.top_k),
    presencePenalty: number(body.presence_penalty),
    frequencyPenalty: number(body.frequency_penalty),
    seed: number(body.seed),
    stopSequences: typeof stop === 'string' ? [stop] : Array.isArray(stop) ? (stop as string[]) : undefined,
    responseFormat: responseFormat(body.response_format),
    tools: body.tools?.flatMap(toolOf),
    toolChoice: toolChoice(body.tool_choice),
    ...(isV4 && typeof effort === 'string' && { reasoning: effort }),
    providerOptions: { ...own, ...(given as Fields | undefined) },
    abortSignal,
  };
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function responseFormat(format: ChatBody['response_format']): ModelCallOptions['responseFormat'] {
  if (format?.type === 'json_object') return { type: 'json' };
  if (format?.type !== 'json_schema') return undefined;
  const { schema, name, description } = (format.json_schema ?? {}) as { schema?: object; name?: string; description?: string };
  return { type: 'json', schema, name, description };
}

function toolOf({ function: tool }: ChatTool): NonNullable<ModelCallOptions['tools']> {
  if (tool === undefined) return [];
  const { name, description, parameters = { type: 'object', properties: {} }, strict } = tool;
  return [{ type: 'function', name, description, inputSchema: parameters, ...(typeof strict === 'boolean' && { strict }) }];
}

function toolChoice(choice: ChatToolChoice | undefined): ModelCallOptions['toolChoice'] {
  if (choice === undefined) return undefined;
  return typeof choice === 'string' ? { type: choice } : { type: 'tool', toolName: choice.function.name };
}

/** Provider-specific parts of an answer, as `sdk-answer.ts` writes them. */
interface OwnFields {
  readonly reasoning?: readonly { readonly text: string; readonly metadata?: Fields }[];
  readonly calls?: Readonly<Record<string, Fields>>;
}

class PromptReader {
  private readonly tools = new Map<string, string>();

  constructor(private readonly isV4: boolean) {}

  read(messages: readonly ChatMessage[]): PromptMessage[] {
    const prompt: { role: string; content: string | PromptPart[] }[] = [];
    for (const [at, message] of messages.entries()) {
      const { role, content } = message;
      if (role === 'tool' || role === 'function') {
        const part = this.result(message, at);
        const last = prompt.at(-1);
        if (last?.role === 'tool') (last.content as PromptPart[]).push(part);
        else prompt.push({ role: 'tool', content: [part] });
      } else if (role === 'assistant') prompt.push({ role, content: this.assistant(message) });
      else if (role === 'user') prompt.push({ role, content: partsOf(content).map((part) => this.part(part, `messages[${at}]`)) });
      else prompt.push({ role: 'system', content: textOf(content) });
    }
    return prompt;
  }

  private assistant({
    content,
    tool_calls: calls,
    reasoning_content: thought,
    provider_specific_fields: fields,
  }: ChatMessage): PromptPart[] {
    const own = ((fields ?? {})[OWN_FIELD] ?? {}) as OwnFields;
    const reasoning = own.reasoning ?? (typeof thought === 'string' && thought !== '' ? [{ text: thought, metadata: undefined }] : []);
    const text = textOf(content);
    return [
      ...reasoning.map(({ text: said, metadata }) => ({ type: 'reasoning', text: said, providerOptions: metadata })),
      ...(text === '' ? [] : [{ type: 'text', text }]),
      ...(calls ?? []).map((call) => this.call(call, own)),
    ];
  }

  private call({ id = '', function: { name, arguments: input = '{}' } }: ChatToolCall, { calls }: OwnFields): PromptPart {
    this.tools.set(id, name);
    return { type: 'tool-call', toolCallId: id, toolName: name, input: inputOf(input), providerOptions: calls?.[id] };
  }

  private result({ tool_call_id: id = '', content, name }: ChatMessage, at: number): PromptPart {
    const parts = partsOf(content);
    const isText = parts.every(({ type }) => type === 'text');
    const output: ToolOutput = isText
      ? { type: 'text', value: textOf(content) }
      : { type: 'content', value: parts.map((part) => this.resultPart(part, `messages[${at}]`)) };
    return { type: 'tool-result', toolCallId: id, toolName: this.tools.get(id) ?? name ?? 'tool', output };
  }

  private resultPart(part: ChatPart, path: string): object {
    if (part.type === 'text') return { type: 'text', text: part.text ?? '' };
    const file = this.part(part, path);
    const { data, mediaType, filename } = file as { data: unknown; mediaType: string; filename?: string };
    if (this.isV4) return { type: 'file', data, mediaType, filename };
    const kind = mediaType.startsWith('image/') ? 'image' : 'file';
    if (typeof data === 'string') return { type: `${kind}-data`, data, mediaType, ...(kind === 'file' && { filename }) };
    return { type: `${kind}-url`, url: String(data), ...(kind === 'file' && { mediaType }) };
  }

  private part(part: ChatPart, path: string): PromptPart {
    const { type, text, image_url: image, file, input_audio: sound } = part;
    if (type === 'text') return { type, text: text ?? '' };
    if (type === 'image_url') return this.file(typeof image === 'string' ? image : (image?.url ?? ''), 'image/*', path);
    if (type === 'input_audio' && sound !== undefined) return this.inline(`audio/${sound.format}`, sound.data);
    if (type === 'file' && file !== undefined) {
      const { file_data: data, file_id: id, filename, format = 'application/pdf' } = file;
      return { ...this.file(data ?? id ?? '', format, path), filename };
    }
    throw new InvalidArgumentError(`${path}.content`, type, 'must be text, image_url, file or input_audio', 'UNKNOWN_CONTENT_TYPE');
  }

  /** @param address a `data:` URL, or one that the model's provider fetches */
  private file(address: string, mediaType: string, path: string): PromptPart {
    const inline = inlineDataIn(address);
    if (inline !== undefined) return this.inline(inline.mediaType, inline.data);
    if (!URL.canParse(address)) throw new InvalidArgumentError(`${path}.content`, address, 'must use valid URLs for files');
    const url = new URL(address);
    return { type: 'file', mediaType, data: this.isV4 ? { type: 'url', url } : url };
  }

  private inline(mediaType: string, data: string): PromptPart {
    return { type: 'file', mediaType, data: this.isV4 ? { type: 'data', data } : data };
  }
}

function partsOf(content: ChatMessage['content']): readonly ChatPart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : (content ?? []);
}

function textOf(content: ChatMessage['content']): string {
  return partsOf(content)
    .map(({ text = '' }) => text)
    .join('');
}

/** A model may have written arguments that are not JSON. */
function inputOf(json: string): unknown {
  const input = jsonIn(json === '' ? '{}' : json);
  return input === undefined ? json : input;
}
