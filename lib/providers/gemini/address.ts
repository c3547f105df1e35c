import { withoutTrailingSlashes } from '../trailing-slashes.js';
import type { ProviderAddress } from '../endpoint/provider-address.js';

const HOME = 'generativelanguage.googleapis.com';
/** Of Google's client libraries, where an address names none. */
const VERSION = '/v1beta';
const KEY_HEADER = 'x-goog-api-key';
const COMPATIBLE = /\/openai(?:\/chat\/completions|\/embeddings)?$/;
/** Path after the version in examples of requests. */
const MODEL = /\/models(?:\/[^/]*)?$/;

/**
 * Reads an address of the Gemini API as LiteLLM does: `/models/…` is appended. One that ends in
 * `/openai` is Google's OpenAI-compatible API, which keeps its protocol.
 */
export function geminiAddress(url: URL): ProviderAddress {
  const path = withoutTrailingSlashes(url.pathname);
  const plain = { url, query: url.search, namesDeployment: false };
  if (COMPATIBLE.test(path)) {
    const base = path.replace(/\/(?:chat\/completions|embeddings)$/, '');
    return { ...plain, base, keyHeader: undefined, isOpenAICompatible: true };
  }
  const base = path.replace(MODEL, '');
  return { ...plain, base: base === '' && url.hostname === HOME ? VERSION : base, keyHeader: KEY_HEADER };
}
