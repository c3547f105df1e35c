import { factHeaders } from '../calls/answer/answer-headers.js';
import { contentOf, finishReasonOf, metadataOf, timeOf, usageOf } from './answer-parts.js';
import { stepRequest } from './chat-request.js';
import type { ModelCalls } from './model-calls.js';
import type { GenerateResult, ModelCallOptions, ModelWarning, StreamPart, StreamResult } from './specification.js';
import { streamParts } from './stream-parts.js';

/** A model group as a language model of the AI SDK 6 and 7. */
export class FastLiteLLMLanguageModel {
  readonly specificationVersion = 'v3';
  readonly provider = 'fast-litellm';
  readonly supportedUrls: Record<string, RegExp[]>;

  /** @internal Made by `createFastLiteLLM`. */
  constructor(
    /** The model group. */
    readonly modelId: string,
    private readonly calls: ModelCalls,
  ) {
    this.supportedUrls = calls.settings.supportedUrls ?? {};
  }

  /**
   * Returns the whole answer to one step.
   * @throws AiSdkCallError; the signal's reason if it is aborted
   */
  async doGenerate(options: ModelCallOptions): Promise<GenerateResult> {
    const { body, warnings } = stepRequest(this.modelId, options);
    const call = await this.calls.begin(body, options.abortSignal);
    try {
      const answer = await this.calls.client.chat({ ...body, stream: false }, call.options);
      const chat = answer.json();
      const choice = chat.choices.at(0);
      const result: GenerateResult = {
        content: choice === undefined ? [] : contentOf(choice.message, sourceIds()),
        finishReason: finishReasonOf(choice?.finish_reason),
        usage: usageOf(answer.usage, chat.usage),
        providerMetadata: metadataOf(answer.call),
        request: { body },
        response: {
          id: chat.id,
          modelId: chat.model,
          timestamp: timeOf(chat.created),
          headers: factHeaders(answer.call, true),
          body: chat,
        },
        warnings,
      };
      call.end(false);
      return result;
    } catch (error) {
      call.end(true);
      throw call.errorFor(error);
    }
  }

  /**
   * Returns the answer as it arrives, from the first chunk on.
   * @throws as `doGenerate`
   */
  async doStream(options: ModelCallOptions): Promise<StreamResult> {
    const { body, warnings } = stepRequest(this.modelId, options);
    const call = await this.calls.begin(body, options.abortSignal);
    try {
      const answer = await this.calls.client.chat({ ...body, stream: true }, call.options);
      const parts = streamParts(answer, {
        includeRaw: options.includeRawChunks === true,
        nextSource: sourceIds(),
        errorFor: call.errorFor,
        isAborted: () => options.abortSignal?.aborted === true,
      });
      const leave = (): void => answer.cancel();
      const stream = readable(warnings, parts, { leave, end: call.end });
      return { stream, request: { body }, response: { headers: factHeaders(answer.call, true) } };
    } catch (error) {
      call.end(true);
      throw call.errorFor(error);
    }
  }
}

interface StreamEnd {
  readonly leave: () => void;
  readonly end: (failed: boolean) => void;
}

/** Takes a part when it is asked for one, so that a slow reader slows the provider down. */
function readable(warnings: ModelWarning[], parts: AsyncGenerator<StreamPart>, { leave, end }: StreamEnd): ReadableStream<StreamPart> {
  return new ReadableStream<StreamPart>(
    {
      start: (controller) => controller.enqueue({ type: 'stream-start', warnings }),
      async pull(controller) {
        try {
          const next = await parts.next();
          if (next.done !== true) return controller.enqueue(next.value);
          end(false);
          controller.close();
        } catch (error) {
          end(true);
          controller.error(error);
        }
      },
      cancel() {
        // The generator may not have started; its `finally` would not cancel the stream then.
        leave();
        end(true);
      },
    },
    { highWaterMark: 0 },
  );
}

function sourceIds(): () => string {
  let count = 0;
  return () => `source-${count++}`;
}
