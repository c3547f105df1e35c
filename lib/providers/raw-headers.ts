/** A header of undici's flat list, or `undefined`. @param name in lower case */
export function rawHeader(rawHeaders: readonly (Buffer | string)[], name: string): string | undefined {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    // Most names differ in length, so no string is made.
    if (rawHeaders[i].length !== name.length) continue;
    if (rawHeaders[i].toString('latin1').toLowerCase() === name) return rawHeaders[i + 1].toString('latin1');
  }
  return undefined;
}

/** Of OpenAI and most others, Anthropic, Azure and AWS; the first one takes precedence. */
const REQUEST_IDS = ['x-request-id', 'request-id', 'apim-request-id', 'x-amzn-requestid'];
/** Text that a response header can contain unchanged. */
const PLAIN = /^[\x21-\x7e]{1,256}$/;
const COST_HEADER = 'x-litellm-response-cost';
const READ: ReadonlySet<string> = new Set([...REQUEST_IDS, COST_HEADER, 'content-type', 'content-encoding']);
const READ_LENGTHS: ReadonlySet<number> = new Set(Array.from(READ, (name) => name.length));

/** Facts from an answer's headers. */
export interface AnswerHeaders {
  /** The provider's id of the request; `undefined`: none, or not printable. */
  readonly requestId: string | undefined;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  /** The cost that LiteLLM's proxies report. */
  readonly cost: string | undefined;
}

/** Reads undici's flat list in one pass. The first of duplicate headers counts. */
export function answerHeadersIn(rawHeaders: readonly (Buffer | string)[]): AnswerHeaders {
  const values = new Map<string, string>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (!READ_LENGTHS.has(rawHeaders[i].length)) continue;
    const name = rawHeaders[i].toString('latin1').toLowerCase();
    if (READ.has(name) && !values.has(name)) values.set(name, rawHeaders[i + 1].toString('latin1'));
  }
  let requestId: string | undefined;
  for (const name of REQUEST_IDS) {
    const id = values.get(name);
    if (requestId === undefined && id !== undefined && PLAIN.test(id)) requestId = id;
  }
  return {
    requestId,
    contentType: values.get('content-type'),
    contentEncoding: values.get('content-encoding'),
    cost: values.get(COST_HEADER),
  };
}
