import type { ProviderError } from '../../common/provider-error.js';
import type { ApiCallRequest } from '../call-request.js';

/** Strings that can be an id: `resp_0a1b`, `file-9xY`, `files/k3-abc`. */
const WORD = /[A-Za-z0-9][\w./:-]{4,254}\w/g;
const IN_IDS = /[\d_-]/;
/** Most words of a message that are searched for in the request. */
const MOST_WORDS = 32;
const LONGEST_MESSAGE = 4_096;

/**
 * Whether a 404 is about an object that the request names, such as a previous response, an item, a
 * conversation, a file or a vector store: its error names a field of the request, or an id in it.
 * @param model of the deployment: without that, the deployment is wrong
 */
export function isOfNamedObject({ error }: ProviderError, { body, json, model: asked }: ApiCallRequest, model: string): boolean {
  const field = error.param?.split(/[.[]/)[0];
  if (field === 'model') return false;
  if (field !== undefined && Object.hasOwn(body, field)) return true;
  const words = error.message.slice(0, LONGEST_MESSAGE).match(WORD) ?? [];
  const ids = words.filter((word) => IN_IDS.test(word) && !model.includes(word) && !asked.includes(word)).slice(0, MOST_WORDS);
  if (ids.length === 0) return false;
  const sent = json?.bytes ?? Buffer.from(JSON.stringify(body));
  return ids.some((id) => sent.includes(`"${id}"`) || sent.includes(`/${id}"`));
}
