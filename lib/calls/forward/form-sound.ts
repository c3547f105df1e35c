import { mostSeconds } from '../../token-counter/prompt/audio.js';
import { OPENAI_AUDIO_TOKENS_PER_SECOND } from '../../token-counter/prompt/media-rules.js';
import type { MultipartBody } from '../../providers/forwarded/multipart.js';

/** The most tokens that the recordings of a form are billed as, by OpenAI's rule. */
export function soundTokensOf(form: MultipartBody): number {
  let seconds = 0;
  for (const file of form.files()) seconds += mostSeconds(file);
  return Math.ceil(seconds * OPENAI_AUDIO_TOKENS_PER_SECOND);
}
