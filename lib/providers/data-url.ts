/** Contents of a base64 `data:` URL. */
export interface InlineData {
  /** `image/png` */
  readonly mediaType: string;
  /** base64 */
  readonly data: string;
}

/** Parameters of its media type are cut. `undefined`: no `data:` URL, or one that is not base64. */
export function inlineDataIn(url: string): InlineData | undefined {
  if (!url.startsWith('data:')) return undefined;
  const comma = url.indexOf(',');
  // Without a comma, the header can be as long as the body.
  if (comma < 0 || comma > 256) return undefined;
  const [mediaType, ...parameters] = url.slice('data:'.length, comma).split(';');
  return parameters.at(-1) === 'base64' ? { mediaType: mediaType.toLowerCase(), data: url.slice(comma + 1) } : undefined;
}
