import { FastLiteLLMError } from '../common/errors.js';

/** Larger than any image that a provider makes. */
const MOST_BYTES = 64 * 2 ** 20;

/**
 * Downloads an image that a provider returned as a URL, without credentials. Errors name the host
 * only, because such URLs contain signatures.
 *
 * @returns base64
 * @throws FastLiteLLMError IMAGE_DOWNLOAD_FAILED; the signal's reason if it is aborted
 */
export async function downloadedImage(url: string | undefined, signal: AbortSignal | undefined): Promise<string> {
  if (url === undefined || !URL.canParse(url)) throw failed('the provider returned an image without data or a URL');
  const { host, protocol } = new URL(url);
  if (protocol !== 'https:' && protocol !== 'http:') throw failed(`the image of the provider has a URL with ${protocol}`);
  const chunks: Uint8Array[] = [];
  try {
    const response = await fetch(url, { signal });
    if (!response.ok || response.body === null) throw failed(`${host} answered with status ${response.status}`);
    let size = 0;
    for await (const chunk of response.body as ReadableStream<Uint8Array>) {
      size += chunk.byteLength;
      if (size > MOST_BYTES) throw failed(`the image at ${host} must have at most ${MOST_BYTES} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (signal?.aborted === true || error instanceof FastLiteLLMError) throw error;
    throw failed(`the image at ${host} could not be downloaded`, { cause: error });
  }
  return Buffer.concat(chunks).toString('base64');
}

function failed(message: string, options?: ErrorOptions): FastLiteLLMError {
  return new FastLiteLLMError('IMAGE_DOWNLOAD_FAILED', message, options);
}
