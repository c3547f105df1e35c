/** How a local provider fails. */
export type ProviderFault =
  /** Answers `status` with an error in OpenAI's shape. */
  | 'status'
  /** Accepts the request and never answers. */
  | 'hang'
  /** Closes the connection before an answer. */
  | 'reset'
  /** 200 with a body that is not JSON. */
  | 'garbage'
  /** Bytes that are not HTTP. */
  | 'protocol'
  /** Closes the connection in the middle of an answer. */
  | 'cut';

/** How a local provider answers. */
export interface ProviderBehaviour {
  /** Delay before the first byte, in ms. Default 0. */
  readonly latencyMs: number;
  /** Delay between two chunks of a stream, in ms. Default 0. */
  readonly chunkDelayMs: number;
  /** Tokens of a reply, unless the request allows fewer. Default 12. */
  readonly tokens: number;
  /** Default: none. */
  readonly fault: ProviderFault | null;
  /** Share of the requests that the fault hits, from 0 to 1. Default 1. */
  readonly faultRate: number;
  /** For the fault `status`. Default 500. */
  readonly status: number;
  /** The `code` of the error. Default: what OpenAI answers with this status. */
  readonly errorCode: string | null;
  /** The header `Retry-After` of errors. Default: none. */
  readonly retryAfter: string | null;
  /** For the fault `cut`: chunks that arrive first. Default 3. */
  readonly cutAfterChunks: number;
  /** Reported usage: the real one, ten times that, or none. Default `right`. */
  readonly usage: 'right' | 'wrong' | 'none';
}

export const WELL_BEHAVED: ProviderBehaviour = {
  latencyMs: 0,
  chunkDelayMs: 0,
  tokens: 12,
  fault: null,
  faultRate: 1,
  status: 500,
  errorCode: null,
  retryAfter: null,
  cutAfterChunks: 3,
  usage: 'right',
};

/** Whether the fault hits this request. */
export function isHit({ fault, faultRate }: ProviderBehaviour): boolean {
  return fault !== null && (faultRate >= 1 || Math.random() < faultRate);
}
