/** The end of `…/models/<model>:generateContent`. */
const METHOD = /^[a-z]\w+$/;

/**
 * Whether a path, without its query, is of Google's API: below `/v1beta`, or a method of a model
 * (`…/models/<model>:generateContent`) at any version.
 */
export function isOfGoogle(path: string): boolean {
  const text = path.toLowerCase();
  if (text.includes('/v1beta/') || text.endsWith('/v1beta')) return true;
  const colon = text.lastIndexOf(':');
  return colon > text.indexOf('/models/') && text.includes('/models/') && METHOD.test(text.slice(colon + 1));
}
