import type { Fields } from '../../common/objects.js';
import { usageFrom } from '../../http/answer-usage.js';
import { ChatChunks, errorChunk, type ChatUsage, type FinishReason } from '../../providers/openai/chat-chunks.js';
import { fileDataOf } from '../file-data.js';
import { type AnswerPart, type ModelAnswer, statedError } from './sdk-models.js';
import { OWN_FIELD } from './sdk-request.js';

const FINISHED: Readonly<Record<string, FinishReason>> = {
  length: 'length',
  'content-filter': 'content_filter',
  'tool-calls': 'tool_calls',
};

/** Puts a whole answer into OpenAI's chat. */
export function chatCompletion({ content, finishReason, usage, response }: ModelAnswer, model: string): object {
  const texts = (type: string): string => content.flatMap((part) => (part.type === type ? [part.text ?? ''] : [])).join('');
  const calls = content.filter(isCall);
  const images = content.flatMap(imageOf);
  const annotations = content.flatMap(annotationOf);
  const reasoning = texts('reasoning');
  const own = ownFields(content);
  const message = {
    role: 'assistant',
    content: texts('text') || null,
    refusal: null,
    ...(reasoning !== '' && { reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls.map(({ toolCallId: id, toolName: name, input }) => callOf(id, name, input)) }),
    ...(images.length > 0 && { images }),
    ...(annotations.length > 0 && { annotations }),
    ...(own !== undefined && { provider_specific_fields: { [OWN_FIELD]: own } }),
  };
  return {
    id: response?.id ?? 'chatcmpl-ai-sdk',
    object: 'chat.completion',
    created: Math.floor(Date.now() / 1000),
    model: response?.modelId ?? model,
    choices: [{ index: 0, message, finish_reason: finishOf(finishReason), logprobs: null }],
    usage: chatUsage(usage),
  };
}

/** Converts a stream's parts to events of OpenAI's chat. */
export class ChatStreamWriter {
  private readonly chunks: ChatChunks;
  private readonly calls = new Map<string, number>();
  private readonly reasoning = new Map<string, { text: string; metadata?: Fields }>();
  private readonly signed: Record<string, Fields> = {};
  private hasEnded = false;

  constructor(model: string) {
    this.chunks = new ChatChunks('chatcmpl-ai-sdk', model, true);
  }

  /** The events of a part; may be empty. */
  write(part: AnswerPart): string {
    switch (part.type) {
      case 'response-metadata':
        this.chunks.id = part.id ?? this.chunks.id;
        this.chunks.model = part.modelId ?? this.chunks.model;
        return '';
      case 'text-delta':
        return part.delta ? this.chunks.delta({ content: part.delta }) : '';
      case 'reasoning-start':
      case 'reasoning-delta':
      case 'reasoning-end':
        return this.thought(part);
      case 'tool-input-start':
        return part.providerExecuted === true ? '' : this.begin(part.id ?? '', part.toolName ?? '');
      case 'tool-input-delta':
        return this.input(part.id ?? '', part.delta ?? '');
      case 'tool-call':
        return this.whole(part);
      case 'file': {
        const images = imageOf(part);
        return images.length > 0 ? this.chunks.delta({ images }) : '';
      }
      case 'source': {
        const annotations = annotationOf(part);
        return annotations.length > 0 ? this.chunks.delta({ annotations }) : '';
      }
      case 'error':
        this.hasEnded = true;
        return errorChunk(streamError(part.error));
      case 'finish':
        return this.finish(part);
      default:
        return '';
    }
  }

  /** @throws Error for a stream that was cut */
  end(): void {
    if (!this.hasEnded) throw new Error('the model stream ended without a finish part');
  }

  private thought({ id = '', delta = '', providerMetadata }: AnswerPart): string {
    const block = this.reasoning.get(id) ?? { text: '' };
    block.text += delta;
    if (providerMetadata !== undefined) block.metadata = { ...block.metadata, ...providerMetadata };
    this.reasoning.set(id, block);
    return delta === '' ? '' : this.chunks.delta({ reasoning_content: delta });
  }

  private begin(id: string, name: string): string {
    const index = this.calls.size;
    this.calls.set(id, index);
    return this.chunks.delta({ tool_calls: [{ index, ...callOf(id, name, '') }] });
  }

  private input(id: string, delta: string): string {
    const index = this.calls.get(id);
    return index === undefined || delta === '' ? '' : this.chunks.delta({ tool_calls: [{ index, function: { arguments: delta } }] });
  }

  /** Most providers have sent its input already. */
  private whole(part: AnswerPart): string {
    if (!isCall(part)) return '';
    const { toolCallId: id = '', toolName: name = '', input = '{}', providerMetadata } = part;
    if (providerMetadata !== undefined) this.signed[id] = providerMetadata;
    return this.calls.has(id) ? '' : this.begin(id, name) + this.input(id, input);
  }

  private finish({ finishReason, usage }: AnswerPart): string {
    if (this.hasEnded) return '';
    this.hasEnded = true;
    const reasoning = [...this.reasoning.values()];
    const own = ownOf(reasoning, this.signed);
    const last = own === undefined ? '' : this.chunks.delta({ provider_specific_fields: { [OWN_FIELD]: own } });
    return last + this.chunks.finish(finishOf(finishReason)) + this.chunks.end(chatUsage(usage));
  }
}

function streamError(error: unknown): { readonly message: string; readonly type?: string | null; readonly code?: string } {
  const { status, message, type } = statedError(error);
  return { message, type, code: String(status) };
}

function isCall({ type, providerExecuted }: AnswerPart): boolean {
  return type === 'tool-call' && providerExecuted !== true;
}

function callOf(id: string | undefined, name: string | undefined, input: string | undefined): object {
  return { id, type: 'function', function: { name, arguments: input } };
}

function imageOf({ type, mediaType = '', data }: AnswerPart): object[] {
  const file = type === 'file' && mediaType.startsWith('image/') ? fileDataOf(data) : undefined;
  if (file === undefined || !('base64' in file || 'url' in file)) return [];
  return [{ type: 'image_url', image_url: { url: 'url' in file ? file.url : `data:${mediaType};base64,${file.base64}` } }];
}

function annotationOf({ type, url, title = '' }: AnswerPart): object[] {
  return type === 'source' && url !== undefined
    ? [{ type: 'url_citation', url_citation: { start_index: 0, end_index: 0, url, title } }]
    : [];
}

/** Signatures and the like, which have to go back to the model with the message. */
function ownFields(content: readonly AnswerPart[]): object | undefined {
  const reasoning = content
    .filter(({ type }) => type === 'reasoning')
    .map(({ text = '', providerMetadata: metadata }) => ({ text, metadata }));
  const signed = content.flatMap((part) =>
    isCall(part) && part.providerMetadata ? [[part.toolCallId, part.providerMetadata] as const] : [],
  );
  return ownOf(reasoning, Object.fromEntries(signed) as Fields);
}

function ownOf(reasoning: readonly { readonly text: string; readonly metadata?: Fields }[], calls: Fields): object | undefined {
  const isSigned = reasoning.some(({ metadata }) => metadata !== undefined);
  const hasCalls = Object.keys(calls).length > 0;
  if (!isSigned && !hasCalls) return undefined;
  return { ...(isSigned && { reasoning }), ...(hasCalls && { calls }) };
}

/** Version 2 has a text, later ones an object. */
function finishOf(reason: unknown): FinishReason {
  const unified = typeof reason === 'object' && reason !== null ? (reason as { readonly unified?: unknown }).unified : reason;
  return FINISHED[String(unified)] ?? 'stop';
}

function chatUsage(value: unknown): ChatUsage | undefined {
  const usage = usageFrom(value);
  if (usage === undefined) return undefined;
  const { promptTokens, completionTokens, totalTokens, details } = usage;
  const { cacheReadTokens: cached, cacheWriteTokens: written, reasoningTokens: reasoning } = details ?? {};
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: totalTokens,
    ...(cached ? { prompt_tokens_details: { cached_tokens: cached } } : undefined),
    ...(written ? { cache_creation_input_tokens: written } : undefined),
    ...(reasoning ? { completion_tokens_details: { reasoning_tokens: reasoning } } : undefined),
  };
}
