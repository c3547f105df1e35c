import { dimensionsIn, type ImageDimensions } from '../../token-counter/prompt/image-dimensions.js';
import type { ImageDetail } from '../../token-counter/prompt/image-rules.js';
import { modelFacts } from '../../token-counter/models.js';
import type { MultipartBody } from '../../providers/forwarded/multipart.js';

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
