import { mediaResponseOf, metadataOf } from './answer-parts.js';
import type { ModelCalls } from './model-calls.js';
import { ownOptions } from './own-options.js';
import type { SpeechCallOptions, SpeechResult } from './specification.js';

/** One that all of OpenAI's speech models have. */
const VOICE = 'alloy';

/** A model group as a speech model of the AI SDK 6 and 7. */
export class FastLiteLLMSpeechModel {
  readonly specificationVersion = 'v3';
  readonly provider = 'fast-litellm';

  /** @internal Made by `createFastLiteLLM`. */
  constructor(
    /** The model group. */
    readonly modelId: string,
    private readonly calls: ModelCalls,
  ) {}

  /**
   * Returns a text as speech, with the voice `alloy` unless another is requested. `language` is not
   * sent, because OpenAI's API takes the language from the text; a warning says so.
   * @throws AiSdkCallError; the signal's reason if it is aborted
   */
  async doGenerate(options: SpeechCallOptions): Promise<SpeechResult> {
    const { text: input, voice = VOICE, outputFormat, instructions, speed, language, abortSignal } = options;
    const body = {
      voice,
      ...ownOptions(options),
      model: this.modelId,
      input,
      ...(outputFormat !== undefined && { response_format: outputFormat }),
      ...(instructions !== undefined && { instructions }),
      ...(speed !== undefined && { speed }),
    };
    return this.calls.run(body, abortSignal, async (client, callOptions) => {
      const answer = await client.speech(body, callOptions);
      const chunks: Buffer[] = [];
      for await (const chunk of answer) chunks.push(chunk);
      return {
        audio: Buffer.concat(chunks),
        warnings: language === undefined ? [] : [{ type: 'unsupported', feature: 'language' }],
        request: { body },
        response: mediaResponseOf(this.modelId, answer.call),
        providerMetadata: metadataOf(answer.call),
      };
    });
  }
}
