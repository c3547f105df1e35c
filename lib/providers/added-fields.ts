import type { Fields } from '../common/objects.js';

const NONE: Fields = {};

/** `extra_body` of a deployment: fields that replace those of any request. */
export function addedFields({ extra_body: added }: Fields): Fields {
  return typeof added === 'object' && added !== null && !Array.isArray(added) ? (added as Fields) : NONE;
}
