import { mostSeconds } from '../../token-counter/prompt/audio.js';
import { OPENAI_AUDIO_TOKENS_PER_SECOND } from '../../token-counter/prompt/media-rules.js';
import type { MultipartBody } from '../../providers/forwarded/multipart.js';
import { dimensionsIn, type ImageDimensions } from '../../token-counter/prompt/image-dimensions.js';
import type { ImageDetail } from '../../token-counter/prompt/image-rules.js';
import { modelFacts } from '../../token-counter/models.js';

/** The pictures of a form, as their tokens depend on them. */
export interface FormPictures {
  /** `null`: of a format whose size is not read. */
  readonly sizes: readonly (ImageDimensions | null)[];
  readonly detail: ImageDetail;
}

/** The pictures and the mask that are to be edited; OpenAI calls their detail `input_fidelity`. */
export function picturesOf(form: MultipartBody): FormPictures {
  const fidelity = form.text('input_fidelity');
  return { sizes: form.files().map(dimensionsIn), detail: fidelity === 'low' || fidelity === 'high' ? fidelity : 'auto' };
}

/** The tokens as which a model bills pictures, of an unknown size the most. */
export function pictureTokens({ sizes, detail }: FormPictures, model: string): number {
  const { images } = modelFacts(model).media;
  return sizes.reduce((sum, size) => sum + (size === null ? images.most(detail) : images.tokens(size, detail)), 0);
}

/** The most tokens that the recordings of a form are billed as, by OpenAI's rule. */
export function soundTokensOf(form: MultipartBody): number {
  let seconds = 0;
  for (const file of form.files()) seconds += mostSeconds(file);
  return Math.ceil(seconds * OPENAI_AUDIO_TOKENS_PER_SECOND);
}
