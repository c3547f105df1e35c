import type { MultipartBody } from './multipart.js';

/** APIs of OpenAI whose requests pass to providers as they are, but for the model's name. */
export type ForwardedOperation =
  'images' | 'audio' | 'moderations' | 'rerank' | 'files' | 'batches' | 'message_batches' | 'stored_responses' | 'compact_response';

/** Those that concern a provider's account, and their paths there. */
export const ACCOUNT_PATHS = {
  files: '/files',
  batches: '/batches',
  message_batches: '/messages/batches',
  stored_responses: '/responses',
} as const satisfies Partial<Record<ForwardedOperation, string>>;
export type AccountOperation = keyof typeof ACCOUNT_PATHS;

/** Kind of the answer: JSON; text or JSON; any bytes, forwarded as they arrive. */
export type ForwardedAnswer = 'json' | 'text' | 'bytes';

/** The APIs with a model, and the kind of their answers. */
export const FORWARDED_PATHS = {
  '/images/generations': 'json',
  '/images/edits': 'json',
  '/images/variations': 'json',
  '/audio/speech': 'bytes',
  '/audio/transcriptions': 'text',
  '/audio/translations': 'text',
  '/moderations': 'json',
  '/rerank': 'json',
  '/responses/compact': 'json',
} as const satisfies Readonly<Record<string, ForwardedAnswer>>;
export type ForwardedPath = keyof typeof FORWARDED_PATHS;

/** A request that passes as it is. */
export interface Forwarded {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Behind the provider's base, with its query: `/images/edits`. */
  readonly path: string;
  /** Instead of a JSON body. */
  readonly form?: MultipartBody;
  readonly answer: ForwardedAnswer;
  /** Whether the request is for the provider's account instead of a model. */
  readonly isOfAccount?: boolean;
}
