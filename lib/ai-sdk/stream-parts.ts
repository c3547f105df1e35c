import type { ChatCompletionChunk, ChatDelta, ThinkingContent } from '../apis/wire/chat.js';
import type { LlmStream } from '../calls/stream/llm-stream.js';
import { filesOf, finishReasonOf, metadataOf, signatureOf, sourcesOf, timeOf, usageOf, type AnswerFields } from './answer-parts.js';
import type { ModelFinishReason, ProviderFields, StreamPart } from './specification.js';

type Delta = ChatDelta & AnswerFields;
type Block = ThinkingContent & { readonly index?: number };

interface StreamedCall {
  readonly id: string;
  readonly name: string;
  input: string;
}

/** State shared by the parts of one stream. */
export interface StreamContext {
  readonly includeRaw: boolean;
  readonly nextSource: () => string;
  /** The error as the SDK is to see it. */
  readonly errorFor: (error: unknown) => unknown;
  /** Whether the SDK has cancelled the stream: then it fails with the reason. */
  readonly isAborted: () => boolean;
}

/** The events of a streamed chat as parts of the AI SDK's stream, from the first chunk on. */
export async function* streamParts(stream: LlmStream<ChatCompletionChunk>, context: StreamContext): AsyncGenerator<StreamPart> {
  const parts = new PartWriter(context.nextSource);
  let finish: ModelFinishReason = { unified: 'other', raw: undefined };
  try {
    for await (const chunk of stream) {
      if (context.includeRaw) yield { type: 'raw', rawValue: chunk };
      yield* parts.head(chunk);
      const choice = chunk.choices.at(0);
      if (choice === undefined) continue;
      yield* parts.delta(choice.delta ?? {});
      if (choice.finish_reason) finish = finishReasonOf(choice.finish_reason);
    }
    yield* parts.end();
  } catch (error) {
    if (context.isAborted()) throw context.errorFor(error);
    yield { type: 'error', error: context.errorFor(error) };
    finish = { unified: 'error', raw: undefined };
  }
  yield { type: 'finish', finishReason: finish, usage: usageOf(stream.usage), providerMetadata: metadataOf(stream.call) };
}

/** Opens and closes the blocks of text and thinking, and assembles tool calls. */
class PartWriter {
  private hasHead = false;
  private open: { readonly type: 'text' | 'reasoning'; readonly id: string } | undefined = undefined;
  private blocks = 0;
  private thought: number | undefined = undefined;
  private readonly calls = new Map<number, StreamedCall>();

  constructor(private readonly nextSource: () => string) {}

  *head({ id, created, model }: ChatCompletionChunk): Generator<StreamPart> {
    if (this.hasHead) return;
    this.hasHead = true;
    yield { type: 'response-metadata', id, modelId: model, timestamp: timeOf(created) };
  }

  *delta(delta: Delta): Generator<StreamPart> {
    const { content, refusal, reasoning_content: reasoning, thinking_blocks: blocks, tool_calls: calls } = delta;
    if (blocks && blocks.length > 0) for (const block of blocks) yield* this.thinking(block);
    else if (reasoning) yield* this.text('reasoning', reasoning);
    const said = content ?? refusal;
    if (said) yield* this.text('text', said);
    yield* filesOf(delta);
    yield* sourcesOf(delta, this.nextSource);
    for (const call of calls ?? []) yield* this.call(call);
  }

  /** Calls are complete only here: providers may send their arguments in turns. */
  *end(): Generator<StreamPart> {
    yield* this.close();
    for (const { id, name, input } of this.calls.values()) {
      yield { type: 'tool-input-end', id };
      yield { type: 'tool-call', toolCallId: id, toolName: name, input: input || '{}' };
    }
  }

  private *text(type: 'text' | 'reasoning', delta: string): Generator<StreamPart> {
    if (this.open?.type !== type) {
      yield* this.close();
      this.open = { type, id: `${type}-${this.blocks++}` };
      yield { type: `${type}-start`, id: this.open.id };
    }
    yield { type: `${type}-delta`, id: this.open.id, delta };
  }

  private *thinking(block: Block): Generator<StreamPart> {
    const { index = 0 } = block;
    if (this.thought !== index || block.type === 'redacted_thinking') yield* this.close();
    this.thought = index;
    const text = block.type === 'thinking' ? (block.thinking ?? '') : '';
    const providerMetadata = signatureOf(block);
    if (text === '' && providerMetadata === undefined) return;
    if (text !== '') yield* this.text('reasoning', text);
    if (providerMetadata !== undefined) yield* this.sign(providerMetadata);
  }

  private *sign(providerMetadata: ProviderFields): Generator<StreamPart> {
    if (this.open?.type !== 'reasoning') yield* this.text('reasoning', '');
    const { id } = this.open as { readonly id: string };
    yield { type: 'reasoning-delta', id, delta: '', providerMetadata };
  }

  private *call({ index, id, function: called }: NonNullable<ChatDelta['tool_calls']>[number]): Generator<StreamPart> {
    let call = this.calls.get(index);
    if (call === undefined) {
      yield* this.close();
      call = { id: id ?? `call-${index}`, name: called?.name ?? '', input: '' };
      this.calls.set(index, call);
      yield { type: 'tool-input-start', id: call.id, toolName: call.name };
    }
    const { arguments: delta } = called ?? {};
    if (!delta) return;
    call.input += delta;
    yield { type: 'tool-input-delta', id: call.id, delta };
  }

  private *close(): Generator<StreamPart> {
    if (this.open === undefined) return;
    yield { type: `${this.open.type}-end`, id: this.open.id };
    this.open = undefined;
  }
}
