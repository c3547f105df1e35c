import { InvalidArgumentError } from '../common/errors.js';
import type { Fields } from '../common/objects.js';
import { mediaResponseOf, metadataOf, wholeAnswer } from './answer-parts.js';
import { downloadedImage } from './image-download.js';
import { bytesOf, formOf } from './media-form.js';
import type { ModelCalls } from './model-calls.js';
import { OWN_NAME, ownOptions } from './own-options.js';
import type { ImageCallOptions, ImageFile, ImageResult, ModelWarning } from './specification.js';

/** OpenAI's limit. */
const MOST_IMAGES = 10;

/** A model group as an image model of the AI SDK 6 and 7. */
export class FastLiteLLMImageModel {
  readonly specificationVersion = 'v3';
  readonly provider = 'fast-litellm';
  readonly maxImagesPerCall: number;

  /** @internal Made by `createFastLiteLLM`. */
  constructor(
    /** The model group. */
    readonly modelId: string,
    private readonly calls: ModelCalls,
  ) {
    this.maxImagesPerCall = calls.settings.maxImagesPerCall ?? MOST_IMAGES;
  }

  /**
   * Returns images, or edits those in `files`. Images that a provider returns as URLs are
   * downloaded. `aspectRatio` and `seed` are not fields of OpenAI's API: they are not sent, and
   * warnings say so; `providerOptions.fastLiteLLM` reaches providers that have them.
   * @throws AiSdkCallError, also for a URL in `files` and for an image that cannot be downloaded;
   * the signal's reason if it is aborted
   */
  async doGenerate(options: ImageCallOptions): Promise<ImageResult> {
    const { prompt, n, size, files = [], abortSignal } = options;
    const body = {
      ...ownOptions(options),
      model: this.modelId,
      ...(prompt !== undefined && { prompt }),
      n,
      ...(size !== undefined && { size }),
    };
    return this.calls.run(body, abortSignal, async (client, callOptions) => {
      const answer = wholeAnswer(
        await (files.length === 0 ? client.images(body, callOptions) : client.imageEdits(editForm(body, files, options.mask), callOptions)),
      );
      const { call, usage } = answer;
      const data = answer.json().data ?? [];
      const images = await Promise.all(data.map(async ({ b64_json: base64, url }) => base64 ?? (await downloadedImage(url, abortSignal))));
      return {
        images,
        warnings: warningsOf(options),
        providerMetadata: {
          [OWN_NAME]: {
            ...metadataOf(call)[OWN_NAME],
            images: data.map(({ revised_prompt: revisedPrompt }) => (revisedPrompt === undefined ? {} : { revisedPrompt })),
          },
        },
        response: mediaResponseOf(this.modelId, call),
        ...(usage !== undefined && {
          usage: {
            inputTokens: usage.promptTokens,
            outputTokens: usage.completionTokens,
            totalTokens: usage.totalTokens,
          },
        }),
      };
    });
  }
}

/** A form, because OpenAI's API takes images to edit as files. */
function editForm(body: Fields, files: readonly ImageFile[], mask: ImageFile | undefined): FormData {
  const form = formOf(body);
  for (const [index, file] of files.entries()) appendImage(form, files.length === 1 ? 'image' : 'image[]', file, `prompt.images[${index}]`);
  if (mask !== undefined) appendImage(form, 'mask', mask, 'prompt.mask');
  return form;
}

function appendImage(form: FormData, field: string, image: ImageFile, path: string): void {
  if (image.type === 'url') throw new InvalidArgumentError(path, image.url, 'must be data, because URLs are not downloaded');
  const { mediaType } = image;
  form.append(field, new Blob([bytesOf(image.data)], { type: mediaType }), `image.${mediaType.slice(mediaType.indexOf('/') + 1)}`);
}

function warningsOf({ aspectRatio, seed }: ImageCallOptions): ModelWarning[] {
  const warnings: ModelWarning[] = [];
  if (aspectRatio !== undefined) {
    warnings.push({
      type: 'unsupported',
      feature: 'aspectRatio',
      details: 'Set `size`, or the field of your provider in `providerOptions`.',
    });
  }
  if (seed !== undefined) warnings.push({ type: 'unsupported', feature: 'seed' });
  return warnings;
}
