import type { MultipartBody } from '../../providers/forwarded/multipart.js';
import type { OtherField } from './requests.js';

/**
 * A JSON body that passes as it is: those of the `openai` SDK are assignable, whose `model` may be
 * missing. `model` is required here: it says which deployments may answer.
 */
export interface ForwardedRequest {
  readonly model?: string | null;
  readonly [field: string]: OtherField;
}

/** A form that passes as it is: with a field `model`, and files. */
export type ForwardedForm = FormData | MultipartBody;

/** The answer of OpenAI's images API. */
export interface ImageList {
  readonly created: number;
  /** Not read-only, nor are other lists here: the SDK's are not. */
  readonly data?: { readonly b64_json?: string; readonly url?: string; readonly revised_prompt?: string }[];
  readonly [field: string]: OtherField;
}

/** The answer of OpenAI's moderations API. */
export interface ModerationList {
  readonly id: string;
  readonly model: string;
  readonly results: ModerationResult[];
  readonly [field: string]: OtherField;
}

/** What a text or an image is, by OpenAI's categories. */
export interface ModerationResult {
  readonly flagged: boolean;
  /** Booleans by the names of categories. */
  readonly categories: OtherField;
  /** From 0 to 1, by the names of categories. */
  readonly category_scores: OtherField;
  readonly category_applied_input_types: OtherField;
}

/** The answer of a rerank API, as Cohere's, Jina's and vLLM's have it. */
export interface RerankedList {
  readonly results: readonly { readonly index: number; readonly relevance_score: number; readonly [field: string]: OtherField }[];
  readonly [field: string]: OtherField;
}

/** A request for files or batches, which an account has and no model. */
export interface AccountRequest {
  /** The model group whose account is asked: that of its first deployment. */
  readonly model: string;
  /** Default: GET. */
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /** Behind `/files` or `/batches`, with its query: `/file-abc/content`. Default: empty. */
  readonly path?: string;
  /** Of a POST: JSON, or a form with a file. */
  readonly body?: Readonly<Record<string, OtherField>> | ForwardedForm;
}
