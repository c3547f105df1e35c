import { fieldsOf } from '../common/objects.js';
import { mediaResponseOf, metadataOf, wholeAnswer } from './answer-parts.js';
import { bytesOf, formOf } from './media-form.js';
import type { ModelCalls } from './model-calls.js';
import { ownOptions } from './own-options.js';
import type { TranscriptionCallOptions, TranscriptionResult } from './specification.js';

/** Extensions by which OpenAI recognizes formats, where they are not the subtype. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  'audio/mpeg': 'mp3',
  'audio/mp4': 'm4a',
  'audio/x-m4a': 'm4a',
  'audio/x-wav': 'wav',
  'audio/wave': 'wav',
  'audio/vnd.wave': 'wav',
  'audio/x-flac': 'flac',
};

/** A model group as a transcription model of the AI SDK 6 and 7. */
export class FastLiteLLMTranscriptionModel {
  readonly specificationVersion = 'v3';
  readonly provider = 'fast-litellm';

  /** @internal Made by `createFastLiteLLM`. */
  constructor(
    /** The model group. */
    readonly modelId: string,
    private readonly calls: ModelCalls,
  ) {}

  /**
   * Returns the transcript of audio. Segments, language and duration are there if the provider
   * reports them: Whisper does with `response_format: 'verbose_json'` in
   * `providerOptions.fastLiteLLM`.
   * @throws AiSdkCallError; the signal's reason if it is aborted
   */
  async doGenerate(options: TranscriptionCallOptions): Promise<TranscriptionResult> {
    const { audio, mediaType, abortSignal } = options;
    // As a form, the audio is not counted: a limit reserves by the model only.
    return this.calls.run({ model: this.modelId }, abortSignal, async (client, callOptions) => {
      const extension = EXTENSIONS[mediaType] ?? mediaType.slice(mediaType.indexOf('/') + 1);
      const form = formOf({ ...ownOptions(options), model: this.modelId });
      form.append('file', new Blob([bytesOf(audio)], { type: mediaType }), `audio.${extension}`);
      const answer = wholeAnswer(await client.transcriptions(form, callOptions));
      const isJson = answer.contentType.startsWith('application/json');
      const transcript = isJson ? answer.json() : { text: answer.bytes.toString('utf8') };
      const { text, segments, language, duration } = transcript;
      return {
        text: typeof text === 'string' ? text : '',
        segments: Array.isArray(segments) ? segments.map(segmentOf) : [],
        language: typeof language === 'string' ? language : undefined,
        durationInSeconds: typeof duration === 'number' ? duration : undefined,
        warnings: [],
        response: { ...mediaResponseOf(this.modelId, answer.call), body: transcript },
        providerMetadata: metadataOf(answer.call),
      };
    });
  }
}

function segmentOf(segment: unknown): TranscriptionResult['segments'][number] {
  const { text, start, end } = fieldsOf(segment);
  return { text: String(text), startSecond: Number(start), endSecond: Number(end) };
}
